"""Learning, judging, keeping.

dataset      what models see: features as of arrival, labels, how each row was selected
assemble     from a history to a dataset
splits       which rows teach, and which come after: folds cut by time
config       every choice of a training run
model        what a fitted model is: parts, and how their margins become a chance
fit          both targets from what was known at a cut; heads: how a rare one gets probabilities
parts        trees and a line, and how one is fitted; linear: a line as data; precedents: a line of
             earlier finds that nobody fits
lessons      which rows teach which part; screen: features that speak; field: signs known before;
             unseen: fingerprints never inspected
calibrate    strictly increasing knots from margins to log-odds; risk: what serving shares of it
levels       where the random stream's chances lie, and so those of all arrivals
train        a twin to judge, a model to serve; candidate: from a home to a registered bundle
weighing     whether inspected rows count by their propensity; repeat: does a model come out again
metrics      hit rate at capacity, order, calibration; intervals: how sure we may be;
             stated: do stated chances come true
logged       the log of the engine's draws; sent: whom decisions sent, from the journal;
             policy_value: what another policy would have found
turned       labels of a post that say the opposite of what the others teach
outcome_test is everybody searched at the same bar; permutation: what families and proxies bear
drift        has traffic moved; alarm: do searches still find what was stated
watching     both, of the model in force; searched: every search since it came into force
forgetting   who chooses after an alarm: champion and challenger, by what they find
report       what a model is worth, for machines (view: figures of some rows; report_drift is its
             part about the past); report_text and report_html (report_tables its tables), with
             plots, for people; card
backtest     point-in-time scores of a past period; lookup: the table that a model must beat
bundle       a model as signed data files, verified; bundle_write makes them;
             papers: its card and report, read without the model
profile_backtest  what a risk profile would have done in the last weeks
             bundle_faults: those on the disk against the records that name them
scorer       a bundle in force: probabilities and contributions; walk: all rows down all trees
peer         our model as plain services take it, for the benches
explain      exact Shapley contributions of trees; paths, groups: the trees as it looks them up
contributions  what the features added to a risk; norms: what is usual
reasons      contributions as sentences; eligibility: which may become reasons, one a subject
             (topics); wording, wording_mirror: how a feature is said; amounts; figures: of profiles
integrity    whether officers see more of a carrier, or let more go, than the lot explains
similar      past seizures with like reasons; seizures: which of them a bundle remembers
registry     training runs in MLflow, which only this module and tracking know
tracking     MLflow's pages behind a key
promotion    who may let a model decide, shadow or challenge; standings: where each stands, a state
             machine over the records; promotions: where these are read
shadow       what a model not yet in force would have said of what was decided; agreement: would it
             have picked the same
trials       what both sides of a trial found
"""
