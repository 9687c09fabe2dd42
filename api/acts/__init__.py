"""Acts at a post: reported, corrected, confirmed and audited, over HTTP and as pages.

confirmations   Finds reported on another post's vehicle, until a second person confirms them
corrections     Corrections of acts and seizures, over HTTP and as a page
release_audits  Audits after release, over HTTP and as a page
routes          Inspections, seizures, releases, takings, and crossings without a decision
"""
