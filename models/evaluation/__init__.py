"""Worth of a model: reports, plots, off-policy estimates.

fairness                Outcome test: hit rates and calibration by group
metric_view             Figures of one view of a report, calibration among them
off_policy              Off-policy estimates of what a model or profile would have found, from
                        logged draws
permutation_importance  Grouped permutation importance of feature families, and the effect of
                        possible proxies
profile_backtest        Backtest of a profile over the last weeks, with intervals
report                  Evaluation report of a model as one dictionary, drift of its period included
report_html             Evaluation report as one HTML page, with its plots as small SVG
report_text             Evaluation report as text: one paragraph for supervisors, one page of
                        figures
"""
