"""Loading of bulk files into a home.

file_reader         Rows of one bulk file as present cells, each with its line
kcs_format          Korea Customs Service import declarations, one a row, as records of this
                    project
load                Validation of a bulk folder, its network file included, and its load into a home
referential_checks  Removal of valid rows that conflict with others
row_validation      Validation of rows of cells into columns of records
stored_loads        Loads in a home: atomic write, check against the journal, erasure of rows
"""
