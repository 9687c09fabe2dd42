"""Loading of bulk files into a home.

atomic_writer       Writes a load into a home
file_access         Which files of a bulk folder may be read
file_reader         From the bytes of one bulk file to rows of present cells, each with the line
                    where it starts
kcs_format          Korea Customs Service import declarations, one a row, as records of this
                    project
load                Bulk files in, validated history out
network_file        Which posts a load may name, and how its network file joins the home's
referential_checks  Which valid rows cannot stand beside the others
row_validation      From rows of cells to columns of valid records
"""
