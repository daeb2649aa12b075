# Devices with many lanes: GPUs, through KernelAbstractions.

"""
    OneCell(backend)

A work-item a cell (or node) on a KernelAbstractions backend, x fastest. A GPU computes this way;
`OneCell(CPU())` runs the same functions on a processor, for checking.
"""
struct OneCell{B}
    backend::B
end

"Work-items of a group, by dimensions: a few rows, so that neighbours in y share what they read."
group(::Tuple{Int}) = (256,)
group(::Tuple{Int,Int}) = (64, 4)
group(::Tuple{Int,Int,Int}) = (64, 4, 1)

@kernel function cells!(body, origin, args)
    at = @index(Global, NTuple)
    one_cell(body, at .+ origin, args)
end

@inline one_cell(body::F, at, args) where {F} = body(at[1]:at[1], Base.tail(at)..., args...)

function launch(body::F, device::OneCell, sizes, origin, args::Vararg{Any,M}) where {F,M}
    cells!(device.backend, group(sizes))(body, origin, args; ndrange = sizes)
end

"The first and the last cell of a box, x first, one-based."
corners(box::NTuple{N,Int}) where {N} =
    (ntuple(d -> box[N-2d+1] + 1, Val(N ÷ 2)), ntuple(d -> box[N-2d+2], Val(N ÷ 2)))

# ---- arrays in a device's memory ---------------------------------------------------------------
#
# All of these queue their work on the device's stream; `download!` and `synchronize` wait for it.
# Offsets count from zero.

"A new array in the device's memory, not initialised; `shape` has x first."
allocate(device::OneCell, ::Type{T}, shape) where {T} =
    KernelAbstractions.allocate(device.backend, T, Tuple(Int(n) for n in shape))

"`array` takes the values that lie from `address` on in host memory."
function upload!(device::OneCell, address, array)
    isempty(array) && return nothing
    KernelAbstractions.copyto!(device.backend, array, wrap(eltype(array), address, size(array)))
    return nothing
end

"The values of `array` go to host memory, from `address` on; they are there on return."
function download!(device::OneCell, array, address)
    isempty(array) && return nothing
    KernelAbstractions.copyto!(device.backend, wrap(eltype(array), address, size(array)), array)
    synchronize(device)
end

"A copy of a host's array in the device's memory."
function on(device::OneCell, host::Array)
    array = allocate(device, eltype(host), size(host))
    GC.@preserve host begin
        upload!(device, UInt(pointer(host)), array)
        synchronize(device)
    end
    return array
end

function copy!(device::OneCell, source, target)
    isempty(source) || KernelAbstractions.copyto!(device.backend, target, source)
    return nothing
end

function synchronize(device::OneCell)
    KernelAbstractions.synchronize(device.backend)
    return nothing
end

"Where the first element of an array lies in the device's memory."
address(array) = UInt(pointer(array))

@kernel function gathered!(buffer, at, array, places)
    i = @index(Global, Linear)
    @inbounds buffer[at+i] = array[places[i]+1]
end

@kernel function scattered!(array, places, buffer, at)
    i = @index(Global, Linear)
    @inbounds array[places[i]+1] = buffer[at+i]
end

@kernel function moved!(array, sources, targets)
    i = @index(Global, Linear)
    @inbounds array[targets[i]+1] = array[sources[i]+1]
end

function each_place(kernel::F, device::OneCell, count, args::Vararg{Any,M}) where {F,M}
    count == 0 || kernel(device.backend, group((count,)))(args...; ndrange = count)
    return nothing
end

"buffer[at + i] = array[places[i]]"
gather!(device::OneCell, array, places, buffer, at) =
    each_place(gathered!, device, length(places), buffer, Int(at), array, places)

"array[places[i]] = buffer[at + i]"
scatter!(device::OneCell, buffer, at, places, array) =
    each_place(scattered!, device, length(places), array, places, buffer, Int(at))

"array[targets[i]] = array[sources[i]]"
move!(device::OneCell, array, sources, targets) =
    each_place(moved!, device, length(sources), array, sources, targets)
