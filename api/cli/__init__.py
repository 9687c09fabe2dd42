"""The command line: one module a group of commands.

agencies     Commands about the table of agencies: who sees, acts and approves
common       Conventions of all commands
data         Commands about data: made, loaded, withdrawn, read
demo         ``darvoza demo``
exercises    Commands that train officers on shifts whose truth is known
experiments  Commands that run experiments
fork_server  Starts the service over and over for a fault run
home         Commands about a whole home
links        Commands about links with other installations
main         The command line
models       Commands about models: trained, evaluated, promoted, on trial, rolled back
oidc         Commands about sign-on by OpenID Connect
profiles     Commands about risk profiles
proposals    Commands by which two people decide
sbom         ``darvoza sbom``
service      Commands that run the service and say who may call it
"""
