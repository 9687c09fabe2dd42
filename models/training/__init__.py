"""From a home to a registered candidate.

backtest              Backtest of a training configuration with what was known at each time
bundle_writer         Bundle writer: files, a comparison with scikit-learn, and a signed manifest
find_severity         Severity of finds, and the gravity of each crossing that taught a model
label_flip_test       Label-flip test: whether a post's labels contradict what the other posts teach
mlflow_pages          MLflow's pages behind a key, so that other accounts of the machine cannot use
                      them
mlflow_tracking       Record of every training run in the MLflow store of the home
model_card            Model card: what to know before an approval, for machines and for people
past_seizures         Past seizures that a bundle keeps, with the reasons that the model gives for
                      them
pipeline              Training run from a home's history to a registered candidate
propensity_weighting  Choice between even weights and inverse-propensity weights, judged by the
                      random stream
reproduce             Reproduction of a model from its card, compared file by file
trainer               Training run: judge a model held back from the last weeks, then fit the one
                      that serves
view_backtest         Backtest of administrations alone, linked by messages, or in one database
weekly_candidate      Candidate of every week, proposed by a timer
"""
