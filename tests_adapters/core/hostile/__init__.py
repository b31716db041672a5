"""Checkpoints that somebody has damaged, or made to do harm: what may loading them do?

`stored` saves and loads one thing of each kind, `damage` changes the files, `trials` loads them and judges.
"""
