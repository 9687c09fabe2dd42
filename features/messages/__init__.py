"""Standard messages of customs and transport systems, as records of this project.

translation      One document in, one report out, whichever way it came
arrivals         A document joined with what the caller says of the crossing
document_files   Documents of a folder
settings         National settings: date order, offset, rates, pseudonym key
path_tables      Path tables: which leaf becomes which field, and what is dropped
values           Rules by which texts become values
tree             The tree of a message by local names
xml_reader       Safe reading of XML from strangers
json_reader      JSON messages as the same tree
asycuda          ASYCUDA World, single administrative document
wco_declaration  WCO Data Model, declaration
ncts             NCTS phase 5, transit declarations
ecmr             Electronic consignment notes
efti             eFTI consignments
eaeu             Goods declarations of the Eurasian Economic Union
"""
