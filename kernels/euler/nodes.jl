# A work-item a node, for devices with many lanes: elements' x fastest, then nodes.
#
# A group holds all nodes of its elements where they fit, so that the lines of nodes that each
# work-item goes along come from the first-level cache. A work-item makes the primitive variables and
# the fluxes of its lines itself: that repeats arithmetic, which such a device has to spare, and needs
# no barrier.

"Elements in x and, at most, nodes of a group."
const ELEMENTS, NODES = 8, 64

"""
    load(T, q, at)

The number at a zero-based offset.
"""
@inline load(::Type{T}, q::AbstractArray{T}, at::Int) where {T<:Real} = @inbounds q[at+1]

"The larger; the second where one is not a number."
@inline larger(a::T, b::T) where {T<:Real} = ifelse(a > b, a, b)

"sum_l V_il f_l over the nodes at line, line + jump, ..."
@inline function volume(q, line, jump, i, mine, to, matrix, ::Val{N}, ::Val{false},
                        ::Type{T}) where {N,T}
    total = ntuple(_ -> zero(T), Val(5))
    for l in 0:N-1
        total = add_product(total, load(T, matrix, i * N + l),
                           flux(neighbour(q, line + l * jump, to, T)))
    end
    return total
end

"sum_l V_il f#_il; V_ii is zero."
@inline function volume(q, line, jump, i, mine, to, matrix, ::Val{N}, ::Val{true},
                        ::Type{T}) where {N,T}
    total = ntuple(_ -> zero(T), Val(5))
    for l in 0:N-1
        total = add_product(total, load(T, matrix, i * N + l),
                           flux_shima(mine, neighbour(q, line + l * jump, to, T)))
    end
    return total
end

"""
What a direction adds to the node at `at`, in its order of components. `i` is the node's index in its
line, `jump` leads to the next, `across` to the next element.
"""
@inline function direction(q, at, i, jump, across, c, to, matrix, lift, ::Val{N}, split,
                           ::Type{T}) where {N,T}
    mine = neighbour(q, at, to, T)
    total = volume(q, at - i * jump, jump, i, mine, to, matrix, Val(N), split, T)
    if i == 0
        below = neighbour(q, at - across + (N - 1) * jump, to, T)
        total = add_product(total, lift, flux_rusanov(below, mine))
    end
    if i == N - 1
        above = neighbour(q, at + across - (N - 1) * jump, to, T)
        total = add_product(total, -lift, flux_rusanov(mine, above))
    end
    return map(part -> c * part, total)
end

@kernel function nodes!(n, split, q, k, out, origin, ny, matrix, lift, a, b, scales)
    item = @index(Global, NTuple)
    one_node(n, split, item, q, k, out, origin, ny, matrix, lift, a, b, scales)
end

@inline function one_node(::Val{N}, split, item, q::AbstractArray{T}, k, out, origin, ny, matrix,
                          lift, a, b, scales) where {N,T}
    x, y, z = origin[1] + item[1] - 1, origin[2] + item[3] - 1, origin[3] + item[4] - 1
    m = item[2] - 1
    nx = size(q, 1)
    component = N^3 * nx
    across = 5 * component
    at = (z * ny + y) * across + m * nx + x
    dx = direction(q, at, m % N, nx, 1, scales[1], Rotated(component, 0), matrix, lift, Val(N),
                   split, T)
    dy = direction(q, at, m ÷ N % N, N * nx, across, scales[2], Rotated(component, 1), matrix, lift,
                   Val(N), split, T)
    dz = direction(q, at, m ÷ N^2, N^2 * nx, ny * across, scales[3], Rotated(component, 2), matrix,
                   lift, Val(N), split, T)
    # Each direction has its momentum in the order (n, s, t).
    rates = (dx[1] + dy[1] + dz[1], dx[2] + dy[4] + dz[3], dx[3] + dy[2] + dz[4],
             dx[4] + dy[3] + dz[2], dx[5] + dy[5] + dz[5])
    map((0, 1, 2, 3, 4), rates) do part, rate
        here = at + part * component + 1
        @inbounds begin
            change = muladd(a, k[here], rate)
            k[here] = change
            out[here] = muladd(b, change, q[here])
        end
    end
    return nothing
end

function (stage::Stage{N,SPLIT})(device::OneCell, box, q::AbstractArray{T}, k, out, a, b, cx, cy,
                                 cz) where {N,SPLIT,T}
    z0, z1, y0, y1, x0, x1 = box
    (z1 <= z0 || y1 <= y0 || x1 <= x0) && return nothing
    matrix = get!(stage.placed, (device, T)) do
        on(device, convert(Vector{T}, stage.matrix))
    end
    parts = cld(N^3, NODES)
    nodes!(device.backend, (ELEMENTS, cld(N^3, parts), 1, 1))(
        Val(N), Val(SPLIT), q, k, out, (x0, y0, z0), size(q, 6), matrix, T(stage.lift), a, b,
        (cx, cy, cz); ndrange = (x1 - x0, N^3, y1 - y0, z1 - z0))
    return nothing
end
