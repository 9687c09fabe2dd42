"""The Python client of the HTTP contract.

client     A client of the whole contract
transport  One connection to a service
"""
