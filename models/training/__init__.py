"""From a home to a registered candidate.

backtest              A backtest
bundle_writer         How does a trained model become signed data? Files, a check against
                      scikit-learn, a manifest
label_flip_test       Do the labels of a post say the opposite of what the others teach? A gate
                      against turned labels
mlflow_pages          MLflow's pages behind a key, so that other accounts of the machine cannot
                      read or write them
mlflow_tracking       Where can analysts see every training run? MLflow, in the home
model_card            What should somebody know before approving a model? Its card, for machines
                      and for people
past_seizures         Which past seizures does a bundle remember? The last known, with the
                      reasons the model gives now
pipeline              From a home's history to a registered candidate
propensity_weighting  Do inspected rows count alike, or by the inverse of their logged
                      propensity? The lot decides
reproduce             Does a model come out again? Trained anew by its card, on what its home
                      knew then, and compared
trainer               The path of a training run
"""
