"""A model as signed data files, verified before use.

bundle       Signed model bundle: data files under an Ed25519 manifest, verified before use; its
             card and report without loading the model
bundle_copy  Bundles of another home: checked against their registration, signed by this one
scorer       Scorer of a bundle in force: risk of an arrival and contributions of its features
"""
