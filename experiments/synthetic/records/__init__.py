"""The world as files: tables, data errors, ground truth.

asycuda_documents  ASYCUDA exports of no real declaration, with their crossings
crossing_tables    The world as the records that a bulk folder holds
data_errors        Data errors of synthetic records
document_tables    The declarations, their goods items, the inspection acts and the seizures, as
                   records, and the ground truth
writer             Synthetic network as a bulk folder, with its ground truth
"""
