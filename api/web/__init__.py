"""Parts that all pages share: templates, languages, labels, forms."""
