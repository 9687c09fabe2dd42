"""Files and databases of one home.

csv_cells     Cells of the CSV files that people open in a spreadsheet
database      Where records rest, who may write, and what a reader sees
home          Where one deployment keeps its files
secret_files  Secrets of a home as files
"""
