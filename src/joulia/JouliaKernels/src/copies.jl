# Rows asked for before they are needed on a processor, and rows copied within an array, as halos that
# wrap onto one rank need them.

# LLVM's prefetch takes an LLVM pointer, which Ptr is not in all versions, and literal kinds: the
# line of an address is asked for to read it (0) or to write it (1).
const Address = Core.LLVMPtr{UInt8,0}

for (name, kind) in ((:prefetch_to_read, 0), (:prefetch_to_write, 1))
    @eval @inline $name(x::Ptr) = ccall(
        "llvm.prefetch", llvmcall, Cvoid, (Address, Int32, Int32, Int32),
        reinterpret(Address, x), $(Int32(kind)), Int32(3), Int32(1),
    )
end

const LINE_BYTES = 64

for (name, one) in ((:row_to_read, :prefetch_to_read), (:row_to_write, :prefetch_to_write))
    @eval begin
        """
            $($name)(a, xs, y, z)

        Ask for the cells `xs` of a row of an array in host memory. Rows beyond it do no harm. A few
        may be under way at once; more wait for each other: ask for one or two between two loops.
        """
        @inline function $name(a::Array{T,3}, xs, y, z) where {T}
            before = (z - 1) * size(a, 2) + y - 1
            start = pointer(a) + (before * size(a, 1) + first(xs) - 1) * sizeof(T)
            for at in 0:LINE_BYTES:length(xs)*sizeof(T)+LINE_BYTES-1
                $one(start + at)
            end
        end
    end
end

# Short rows are misses that no processor foresees: those this far ahead are asked for now.
const AHEAD = 24

"Rows of `length` elements that are copied within an array, from and to zero-based offsets."
struct Rows
    length::Int
    sources::Vector{Int}
    targets::Vector{Int}
end

function copy_rows!(field, rows, is)
    length, sources, targets = rows.length, rows.sources, rows.targets
    @inbounds for i in is
        ahead = min(i + AHEAD, last(is))
        prefetch_to_read(pointer(field, sources[ahead] + 1))
        prefetch_to_write(pointer(field, targets[ahead] + 1))
        source, target = sources[i], targets[i]
        for j in 1:length
            field[target+j] = field[source+j]
        end
    end
end

# Each thread copies one stretch of every part, in one launch: starting threads costs as much as
# copying thousands of short rows.
@kernel function shares!(field, parts, shares)
    share = @index(Global, Linear)
    copy_share!(field, parts, share, shares)
end

@noinline function copy_share!(field, parts, share, shares)
    foreach(parts) do rows
        count = length(rows.sources)
        copy_rows!(field, rows, (share-1)*count÷shares+1:share*count÷shares)
    end
end

function copy_parts!(backend, (_, shares), field, parts)
    shares!(backend, 1)(field, parts, shares; ndrange = shares)
    return nothing
end

"""
    bind_copy(backend, field, parts...)

Copies `parts`, each `(length, sources, targets)` of `Rows`, within `field`.
"""
bind_copy(backend, field, parts...) =
    Bound(copy_parts!, backend, (0, Threads.nthreads()), (field, map(part -> Rows(part...), parts)))
