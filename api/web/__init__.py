"""Parts that all pages share: templates, languages, labels, forms.

charts         Small charts for pages
forms          Forms: fields as people type them, numbers, and mistakes in the reader's words
i18n           Languages of pages
labels         Labels of codes, as the catalogues know them
menu           Menu in the head of every page
messages       Messages of records in a reader's language
page_route     Route class of all pages
sign_in_page   Sign in, sign out, choose a language
templates_env  Templates, and the preferences that a reader keeps in a browser
visitor        Visitor of a page, and the check that a form they send is theirs
"""
