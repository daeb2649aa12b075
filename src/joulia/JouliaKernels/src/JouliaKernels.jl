"""
The Julia versions of joulia's kernels, written once with KernelAbstractions for every device.

A kernel's file `kernels/<name>/<name>.jl` (`<name>_<variant>.jl` where there are others) defines a
module of the file's name, whose functions take
`(backend, box, arrays..., ints..., reals...)`. Arrays are Julia's own, x first; a box is joulia's,
zero-based with upper ends excluded, slowest axis first: `(z0, z1, y0, y1, x0, x1)`.
"""
module JouliaKernels

using KernelAbstractions

include("arithmetic.jl")
include("boxes.jl")

"Elements that a work-item of a one-dimensional function computes."
const CHUNK = 16384

"Rows that a work-item of a function in two or three dimensions computes."
const ROWS = 32

# A body computes a run of consecutive x: `body(xs, y, z, args...)`. On a CPU a work-item gets whole
# rows, which the compiler vectorises, and several of them: starting one costs about a microsecond,
# as much as a row. The work itself is a function of its own, with the arguments in one tuple: in
# the body of a @kernel the compiler calls a function that it was given dynamically. On a device
# with many lanes a work-item gets a single cell (cells.jl).

@kernel function rows!(body, xs, origin, last_y, args)
    at = @index(Global, NTuple)
    some_rows(body, xs, at, origin, last_y, args)
end

@noinline function some_rows(body::F, xs, at, origin, last_y, args) where {F}
    first_y = origin[1] + (at[1] - 1) * ROWS + 1
    rest = Base.tail(at) .+ Base.tail(origin)
    for y in first_y:min(first_y + ROWS - 1, last_y)
        body(xs, y, rest..., args...)
    end
end

@kernel function chunks!(body, xs, args)
    i = @index(Global, Linear)
    some_cells(body, xs, i, args)
end

@noinline function some_cells(body::F, xs, i, args) where {F}
    first_x = first(xs) + (i - 1) * CHUNK
    body(first_x:min(first_x + CHUNK - 1, last(xs)), args...)
end

"""
    each_row(body, backend, box, args...)

Compute the cells of `box` by calling `body(xs, y, z, args...)` (without `z`, or `y` and `z`, in two
dimensions or one) for every row, with one-based indices.
"""
function each_row(body::F, backend, box::NTuple{N,Int}, args::Vararg{Any,M}) where {F,N,M}
    sizes = ntuple(d -> box[N-2d+2] - box[N-2d+1], Val(N ÷ 2))
    any(<=(0), sizes) && return nothing
    origin = ntuple(d -> box[N-2d+1], Val(N ÷ 2))
    launch(body, backend, sizes, origin, args...)
    return nothing
end

function launch(body::F, backend::CPU, sizes::Tuple{Int}, origin, args::Vararg{Any,M}) where {F,M}
    xs = origin[1]+1:origin[1]+sizes[1]
    chunks!(backend, 1)(body, xs, args; ndrange = cld(sizes[1], CHUNK))
end

function launch(body::F, backend::CPU, sizes::Tuple{Int,Vararg{Int}}, origin,
                args::Vararg{Any,M}) where {F,M}
    xs = origin[1]+1:origin[1]+sizes[1]
    items = (cld(sizes[2], ROWS), sizes[3:end]...)
    rows!(backend, map(_ -> 1, items))(body, xs, Base.tail(origin), origin[2] + sizes[2], args;
                                       ndrange = items)
end

# A body that keeps what neighbouring cells share computes a block of cells with buffers of its own.

@kernel function blocks!(body, first_cell, last_cell, block, scratch, args)
    at = @index(Global, NTuple)
    low = first_cell .+ (at .- 1) .* block
    high = min.(low .+ block .- 1, last_cell)
    some_block(body, map(:, low, high), scratch, args)
end

@noinline function some_block(body::F, ranges, scratch, args) where {F}
    # Static scheduling: a work-item stays on its thread.
    body(ranges..., scratch[Threads.threadid()], args...)
end

const SCRATCH = Dict{Any,Any}()

# What was kept while the package was compiled is of another process, with threads of its own.
__init__() = empty!(SCRATCH)

"""
    scratch_memory(T, sizes)

An array for each thread, the same ones at every call: fresh ones would come from the system page by
page, and waiting for that takes longer than small kernels.
"""
function scratch_memory(::Type{T}, sizes::NTuple{N,Int}) where {T,N}
    arrays = get!(SCRATCH, (T, sizes)) do
        [Array{T}(undef, sizes) for _ in 1:Threads.maxthreadid()]
    end
    return arrays::Vector{Array{T,N}}
end

"""
    each_block(body, backend, box, block, buffers, args...)

Compute the cells of `box` by calling `body(xs, ys, zs, scratch, args...)` (without `zs`, or `ys` and
`zs`, in two dimensions or one) for every block of at most `block` cells (x first), with one-based
indices. `scratch` is an array of the size `buffers` that nobody else uses meanwhile; what it holds
is left from before.
"""
function each_block(body::F, backend::CPU, box::NTuple{N,Int}, block, buffers,
                    args::Vararg{Any,M}) where {F,N,M}
    sizes = ntuple(d -> box[N-2d+2] - box[N-2d+1], Val(N ÷ 2))
    any(<=(0), sizes) && return nothing
    low = ntuple(d -> box[N-2d+1] + 1, Val(N ÷ 2))
    high = ntuple(d -> box[N-2d+2], Val(N ÷ 2))
    scratch = scratch_memory(eltype(first(args)), buffers)
    blocks!(backend, map(_ -> 1, sizes))(body, low, high, block, scratch, args;
                                         ndrange = cld.(sizes, block))
    return nothing
end

"A function with its arguments in place: what Python calls, without converting them again."
struct Bound{F,B,N,A<:Tuple}
    f::F
    backend::B
    box::NTuple{N,Int}
    args::A
end

@noinline function (b::Bound)()
    b.f(b.backend, b.box, b.args...)
    return nothing
end

include("cells.jl")

"What computes on a device, by joulia's name of it. Extensions add methods, GPUs' packages bring them."
backend(name::AbstractString) = device(Val(Symbol(name)))

device(::Val{:cpu}) = CPU(; static = true)
device(::Val{name}) where {name} = error("JouliaKernels has no device $name here")

"""
    thread_ids()

The ids that Linux' kernel has for the threads that compute.
"""
function thread_ids()
    ids = zeros(Int, Threads.nthreads())
    Threads.@threads :static for i in eachindex(ids)
        ids[i] = parse(Int, basename(readlink("/proc/thread-self")))
    end
    return ids
end

"The version of the toolkit that a device's package computes with."
function toolkit end

"""
    bind(f, backend, box, arrays, ints, reals)

`f` with its arguments converted: the box to integers, the reals to the arrays' element type.
"""
function bind(f, backend, box, arrays, ints, reals)
    T = eltype(first(arrays))
    args = (arrays..., map(Int, Tuple(ints))..., map(T, Tuple(reals))...)
    return Bound(f, backend, Tuple(Int(i) for i in box), args)
end

include("copies.jl")

"A Julia array over memory that Python owns and keeps: `shape` has x first."
wrap(::Type{T}, address::Integer, shape) where {T} =
    unsafe_wrap(Array, Ptr{T}(UInt(address)), Tuple(Int(n) for n in shape))

const ELEMENTS = Dict("float64" => Float64, "float32" => Float32, "int32" => Int32, "int64" => Int64)

element(name::AbstractString) = ELEMENTS[name]

# The kernels lie beside the Python package: joulia/kernels/<name>/<name>.jl and their variants,
# <name>_<variant>.jl, which come later and may use what the first one defines.
const KERNELS = normpath(joinpath(@__DIR__, "..", "..", "kernels"))
for folder in filter(isdir, readdir(KERNELS; join = true))
    name = basename(folder)
    for file in readdir(folder)
        if file == name * ".jl" || (startswith(file, name * "_") && endswith(file, ".jl"))
            source = joinpath(folder, file)
            include_dependency(source)
            include(source)
        end
    end
end

end
