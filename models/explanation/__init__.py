"""Exact contributions and the sentences made of them.

contributions     Contributions of each feature to the risk of an arrival, and usual values
feature_wording   Wording of each feature: a message about this vehicle, made from how the
                    feature is declared, and of what a profile asked for
reason_sentences  Reasons: topics of features, eligibility of contributions, and their sentences
similar_seizures  Past seizures whose reasons were most like those of an arrival
tree_shap         Exact Shapley values of a tree ensemble, by groups of leaves
"""
