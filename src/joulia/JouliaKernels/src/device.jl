# Arrays in a device's memory, for a bridge that keeps fields there. Work is queued in the order of the
# calls; `download!` and `synchronize` wait for it. Offsets count from zero, in flat memory.

"A copy of the host's values on the device."
function device_array(on::OneCell, host)
    array = KernelAbstractions.allocate(on.backend, eltype(host), size(host))
    copyto!(array, host)
    return array
end

"The device's array takes the values at a host address."
function upload!(on::OneCell, array, address)
    copyto!(array, wrap(eltype(array), address, size(array)))
    return nothing
end

"The host's memory at an address takes the values of the device's array."
function download!(on::OneCell, array, address)
    copyto!(wrap(eltype(array), address, size(array)), array)
    synchronize(on)
    return nothing
end

function copy_array!(on::OneCell, source, target)
    copyto!(target, source)
    return nothing
end

synchronize(on::OneCell) = (KernelAbstractions.synchronize(on.backend); nothing)

address(array) = Int(reinterpret(UInt, pointer(array)))

@kernel function gather_cells!(array, places, buffer, at)
    i = @index(Global, Linear)
    @inbounds buffer[at+i] = array[places[i]+1]
end

@kernel function scatter_cells!(buffer, at, places, array)
    i = @index(Global, Linear)
    @inbounds array[places[i]+1] = buffer[at+i]
end

@kernel function move_cells!(array, sources, targets)
    i = @index(Global, Linear)
    @inbounds array[targets[i]+1] = array[sources[i]+1]
end

"Run a kernel over as many elements as `places` has."
function each_place(kernel, on::OneCell, places, args...)
    n = length(places)
    n > 0 && kernel(on.backend, 256)(args...; ndrange = n)
    return nothing
end

gather!(on::OneCell, array, places, buffer, at) =
    each_place(gather_cells!, on, places, array, places, buffer, Int(at))
scatter!(on::OneCell, buffer, at, places, array) =
    each_place(scatter_cells!, on, places, buffer, Int(at), places, array)
move!(on::OneCell, array, sources, targets) =
    each_place(move_cells!, on, sources, array, sources, targets)

const CONSTANTS = Dict{Any,Any}()

"A vector of constants on the device, copied there once."
constants_on(on::OneCell, ::Type{T}, values::Vector) where {T} =
    get!(() -> device_array(on, convert(Vector{T}, values)), CONSTANTS, (values, T, on))
