"""Standard messages of customs and transport systems, as records of this project.

asycuda            ASYCUDA World, single administrative document
consignment_notes  Electronic consignment notes (eCMR, Open Logistics) and eFTI consignments
documents          Documents from strangers, XML or JSON, as one bounded tree
eaeu               Goods declarations of the Eurasian Economic Union
folder             A folder of messages with their crossings, as tables of records
ncts               NCTS phase 5, transit declarations
path_tables        Path tables: which leaf becomes which field, by which rule, and what is dropped
settings           National settings: date order, offset, rates, pseudonym key
translation        One document as one translation, and its join with what the caller knows
wco_declaration    WCO Data Model, declaration
"""
