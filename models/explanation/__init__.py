"""Exact contributions and the sentences made of them.

contributions       What did each feature add to the risk of this arrival? And what is usual
                    there
feature_topics      What each feature is about, so that one subject is one reason
feature_wording     Wording of each feature: a message about this vehicle, made from how the
                    feature is declared
leaf_groups         Which leaves of a tree can be looked up together? Those that few splits
                    decide between
profile_figures     Figures that a profile asked for
reason_eligibility  Which contributions may become reasons
reason_sentences    Contributions as sentences
similar_seizures    Which past seizures look like this arrival? Those whose reasons were most
                    like its own
tree_shap           What did each feature add to one row's log-odds? Exact Shapley values of the
                    trees
units               Wording of one feature: which message says it, by its value
usual_values        What is usual? Each feature's median among the entries of a class, at a
                    post, of late
"""
