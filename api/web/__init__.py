"""Parts that all pages share: templates, languages, labels, forms.

charts            Small charts for pages
field_errors      Mistakes in the fields of a form, in the reader's words
form_fields       Texts that people type into fields
i18n              Languages of pages
labels            Labels of codes, as the catalogues know them
menu              Menu in the head of every page
messages          Messages of records in a reader's language
number_parsing    Numbers as people write them
page_route        Route class of all pages
preferences       Preferences that a reader keeps in a browser
sign_in_page      Sign in, sign out, choose a language
templates_env     Templates
visitor           Visitor of a page, and the check that a form they send is theirs
"""
