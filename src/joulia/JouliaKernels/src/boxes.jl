"""
    extents(box)

What lies before a box, and how many cells it has, x first: an index of a kernel with the second as
its `ndrange`, plus the first, is a cell's.
"""
extents(box::NTuple{N,Int}) where {N} =
    (ntuple(d -> box[N-2d+1], Val(N ÷ 2)),
     ntuple(d -> max(0, box[N-2d+2] - box[N-2d+1]), Val(N ÷ 2)))

"""
    each_item(kernel, backend, box, args...; group = ())

Run a kernel with a work-item for every cell of `box`; its last argument is what lies before the box.

`group` is the size of a work-group on processors, where KernelAbstractions keeps the private arrays
of all its items in one static array: with its own 1024, 256 numbers an item took 236 times as long.
"""
function each_item(kernel::F, backend, box, args::Vararg{Any,M}; group = ()) where {F,M}
    origin, sizes = extents(box)
    sized = KernelAbstractions.isgpu(backend) ? () : group
    kernel(backend, sized...)(args..., origin; ndrange = sizes)
    return nothing
end
