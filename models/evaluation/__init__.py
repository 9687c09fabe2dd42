"""Worth of a model: reports, plots, off-policy estimates.

calibration_error       Calibration error and Brier score, with the share of the error that is due
                        to chance
drift_section           Drift of the test period from the training rows, for the report
fairness                Outcome test: hit rates and calibration by group
metric_view             Figures of one view of a report: labelled rows against a ranking
off_policy              Off-policy estimates of what a model or profile would have found, from
                        logged draws
permutation_importance  Grouped permutation importance of feature families, and the effect of
                        possible proxies
plots                   Plots of an evaluation report as small SVG, readable without colours
profile_backtest        Backtest of a profile over the last weeks, with intervals
report                  Evaluation report of a model as one dictionary, from which texts and plots
                        are made
report_html             Evaluation report as one HTML page with plots
report_text             Evaluation report as text: one paragraph for supervisors, one page of
                        figures
"""
