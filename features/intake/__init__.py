"""Loading of bulk files into a home.

atomic_writer       Atomic and idempotent write of a load into a home
column_validation   Validation of whole columns of cells, for the rows that are plainly valid
dialects            In which form a CSV file is written, where that is not the contract's
file_reader         Rows of one bulk file as present cells, each with its line
kcs_format          Korea Customs Service import declarations, one a row, as records of this
                    project
history_erasure     Erasure of rows of the loaded history
load                Validation of a bulk folder and its load into a home
message_folder      Standard messages of a folder with their crossings, as tables of records
network_file        Merge of a load's network file into the home's network
plain_rows          Blocks of plain rows of a CSV file, as columns of cells
referential_checks  Removal of valid rows that conflict with others
row_validation      Validation of rows of cells into columns of records
"""
