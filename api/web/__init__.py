"""What all pages share: templates, languages, labels, forms.

charts            Small charts for pages
field_errors      What is wrong with a field of a form, in the reader's words
form_fields       What people type into fields
i18n              In which language a page speaks
labels            Names of codes, as the catalogues know them
menu              Which pages stand in the head of every page
message_patterns  The sentences that the engine makes, as the catalogues know them
number_parsing    Numbers as people write them
page_route        What every page has in common
record_defaults   Values of record fields that old or unread records lack
sign_in_page      Sign in, sign out, choose a language
templates_env     Templates
translation       What the engine said, said again in the reader's language
visitor           Who visits a page, and whether a form they send is theirs
"""
