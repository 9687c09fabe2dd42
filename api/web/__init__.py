"""What all pages share: templates, languages, labels, forms.

charts            Small charts for pages
field_errors      What is wrong with a field of a form, in the reader's words
form_fields       What people type into fields
i18n              In which language a page speaks
labels            Names of codes, as the catalogues know them
menu              Which pages stand in the head of every page
messages          Messages of records in a reader's language
number_parsing    Numbers as people write them
old_sentences     Reader of sentences in records of before messages were kept
page_route        What every page has in common
sign_in_page      Sign in, sign out, choose a language
sign_on_page      Sign on by the identity provider
templates_env     Templates
visitor           Who visits a page, and whether a form they send is theirs
"""
