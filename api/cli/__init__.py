"""The command line: one module a group of commands.

backup    ``darvoza backup``
bench     ``darvoza bench``
clock     ``darvoza clock``
common    What all commands share
data      Commands that bring data in and look at them
demo      ``darvoza demo``
faults    ``darvoza faults``
main      The command line
models    Commands about models that were trained
profiles  Commands about risk profiles
sbom      ``darvoza sbom``
service   Commands that run the service and say who may call it
simulate  ``darvoza simulate``
training  Commands of the analysts
verify    Commands that hold a home against its journal
"""
