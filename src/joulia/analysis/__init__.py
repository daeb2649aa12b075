"""What people decide with: comparing, frontier, report, pictures, exports.

Nothing here measures; it reads records. It is a package of its own, outside of what a record's code
digest covers, so that a better table does not make measured results stale.
"""
