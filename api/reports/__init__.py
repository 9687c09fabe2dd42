"""Reports of checkpoints that request no decision.

routes  Crossings, inspection acts, seizures and releases over HTTP
"""
