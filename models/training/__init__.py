"""From a home to a registered candidate.

backtest         Backtest of a training configuration with what was known at each time
bundle_writer    Bundle writer: files, model card, comparison with scikit-learn, signed manifest
candidates       Candidates: made from a home's history, proposed weekly, reproduced from a card
known_seizures   Seizures known at training: severity of finds, past seizures of a bundle
label_flip_test  Label-flip test: whether a post's labels contradict what the other posts teach
mlflow_flavour   The scorer of a bundle as a model of MLflow's pyfunc flavour
mlflow_pages     MLflow's pages behind a key, so that other accounts of the machine cannot use
                      them
mlflow_tracking  Record of trainings, backtests and measurements of drift in MLflow
trainer          Training run: judge a model held back, choose its weights, fit the one that serves
"""
