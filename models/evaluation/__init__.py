"""What a model is worth: reports, plots, off-policy estimates.

calibration_error       Do stated chances come true? How far off they are, and how much of that
                        is chance alone
drift_section           Had the traffic of the test period moved away from what the model
                        learnt? For the report
fairness                Is everybody searched at the same bar? Hit rates and calibration by
                        group, and what they show
metric_view             What do some labelled rows say of a ranking? The figures of one view of
                        a report
off_policy              What would this model or profile have found? An answer from what another
                        policy had searched
permutation_importance  What would the model be without a kind of fact? Families of features,
                        shuffled together
plots                   The report's plots, as small SVG
profile_backtest        What a profile would have done in the last weeks, and how sure we may be
                        of it
report                  What is a model worth? One dictionary for machines
report_html             What does a model's worth look like? The report as one page with plots,
                        readable anywhere
report_text             What does a supervisor need to hear about a model? One paragraph, and
                        one page of figures
"""
