"""Parts that all routes share: problems, bodies, dependencies, server."""
