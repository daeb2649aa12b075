"""`joulia gate`: did this change make anything slower or hungrier?

`builds` turns two revisions into two environments, `measure` runs their cases in turn, `compare`
holds records against each other, `decision` decides, `show` tells. Of any other project,
`checkouts` has two revisions, `commands` runs a command on them in turn, `runs` holds its runs
against each other.
"""
