# The functions for GPUs: a work-item a node, elements that are neighbours in x side by side. A node
# computes its change alone, from the nodes of its three lines: caches serve what they share.

"A point's values in the order (normal, tangential, tangential) of direction d, from (x, y, z)."
@inline turned(::Val{0}, x, y, z) = (x, y, z)
@inline turned(::Val{1}, x, y, z) = (y, z, x)
@inline turned(::Val{2}, x, y, z) = (z, x, y)

"And back."
@inline straight(::Val{0}, n, t, b) = (n, t, b)
@inline straight(::Val{1}, n, t, b) = (b, n, t)
@inline straight(::Val{2}, n, t, b) = (t, b, n)

"rho, velocity, p and E at an offset, turned."
@inline function state(u, at, component, d)
    @inbounds begin
        rho, energy = u[at+1], u[at+4component+1]
        momentum = (u[at+component+1], u[at+2component+1], u[at+3component+1])
        vx, vy, vz, p = primitive(rho, momentum..., energy)
        return (rho, turned(d, vx, vy, vz)..., p, energy)
    end
end

"The flux of a state in its normal direction."
@inline function flux((rho, un, ut, ub, p, energy))
    mass = rho * un
    return (mass, mass * un + p, mass * ut, mass * ub, (energy + p) * un)
end

"The change of node `m`, with all that direction d adds to it."
@inline function along(d::Val{D}, change, u, base, m, nx, component, across, c, matrix, lift,
                       ::Val{N}, ::Val{SPLIT}) where {D,N,SPLIT}
    jump = N^D
    i = m ÷ jump % N
    first_node = m - i * jump
    own = state(u, base + m * nx, component, d)
    sum = map(_ -> zero(c), change)
    for l in 0:N-1
        factor = @inbounds matrix[i*N+l+1]
        there = state(u, base + (first_node + l * jump) * nx, component, d)
        if SPLIT
            l == i && continue
            part = two_point(own[1:5], there[1:5])
        else
            part = flux(there)
        end
        sum = sum .+ factor .* part
    end
    if i == 0
        last_node = first_node + (N - 1) * jump
        below = state(u, base - across + last_node * nx, component, d)
        sum = sum .+ lift .* rusanov(below, own)
    end
    if i == N - 1
        above = state(u, base + across + first_node * nx, component, d)
        sum = sum .- lift .* rusanov(own, above)
    end
    return change .+ c .* (sum[1], straight(d, sum[2], sum[3], sum[4])..., sum[5])
end

@kernel function nodes!(shape, u, k, out, origin, nx, ny, matrix, lift, a, b, scales)
    x, node, y, z = @index(Global, NTuple)
    node_change(shape, u, k, out, x - 1 + origin[1], node - 1, y - 1 + origin[2], z - 1 + origin[3],
                nx, ny, matrix, lift, a, b, scales)
end

@inline function node_change(::Shape{N,SPLIT}, u, k, out, x, m, y, z, nx, ny, matrix, lift, a, b,
                             scales) where {N,SPLIT}
    component = N^3 * nx
    across = (1, 5 * component, ny * 5 * component)
    base = (z * ny + y) * 5 * component + x
    change = ntuple(_ -> zero(a), Val(5))
    change = along(Val(0), change, u, base, m, nx, component, across[1], scales[1], matrix, lift,
                   Val(N), Val(SPLIT))
    change = along(Val(1), change, u, base, m, nx, component, across[2], scales[2], matrix, lift,
                   Val(N), Val(SPLIT))
    change = along(Val(2), change, u, base, m, nx, component, across[3], scales[3], matrix, lift,
                   Val(N), Val(SPLIT))
    for v in 0:4
        at = base + m * nx + v * component + 1
        @inbounds begin
            slope = a * k[at] + change[v+1]
            k[at] = slope
            out[at] = u[at] + b * slope
        end
    end
end

"What a GPU needs to know of a stage; the matrix lies in its memory."
struct Shape{N,SPLIT} end

function (stage::Stage{N,SPLIT})(on::OneCell, box, u, k, out, a::T, b, cx, cy, cz) where {N,SPLIT,T}
    z0, z1, y0, y1, x0, x1 = box
    (z1 <= z0 || y1 <= y0 || x1 <= x0) && return nothing
    matrix = constants_on(on, T, stage.matrix)
    nodes!(on.backend, (32, 4, 1, 1))(
        Shape{N,SPLIT}(), u, k, out, (x0, y0, z0), size(u, 1), size(u, 6), matrix, T(stage.lift), a,
        b, (cx, cy, cz); ndrange = (x1 - x0, N^3, y1 - y0, z1 - z0))
    return nothing
end
