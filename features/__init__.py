"""What was known, as numbers.

intake      bulk files to validated rows: contract and KCS formats, quarantine
history     validated rows on disk, and back as event tables
encode      one crossing with its declaration, as integers: entity keys, measures, facts
streams     which events there are, what they measure, by whom they are counted
definitions the operators an analyst declares features with
catalogue   the features
plan        the catalogue, compiled to reads and finishers
bulk        all reads of a whole history at once
counters    the same reads online, on the store
"""
