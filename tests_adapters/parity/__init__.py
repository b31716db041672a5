"""Do we give the numbers of AdapterHub's library? Recorded inputs, weights and outputs say so, without that library.

One file per kind of recording; `recording` finds and reads them.
"""
