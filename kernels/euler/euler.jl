"""
euler with KernelAbstractions: a work-item a row of elements, vectors of neighbouring elements.

A few elements that are neighbours in x are computed together, one in each lane of a vector, so that
everything is vector arithmetic for any degree. Lanes beyond the end of a row compute on whatever
follows in memory (a field ends in a plane of halo, so something does) and are not stored: an
element's result does not depend on its lane, its row's length or its rank. On a device with many
lanes of its own a work-item has a single node (nodes.jl); the arithmetic on numbers and on lanes is
the same.

Scratch memory holds, by lanes, the primitive variables `s` [rho, u, v, w, p, E][node] and the
change `r` [component][node]. Along a direction d the
velocity (n, t, b) and the momentum are rotated so that n is normal. Offsets count from zero.
"""
module euler

using KernelAbstractions
using ..JouliaKernels: OneCell, on, scratch_memory

include("lanes.jl")

const GAMMA = 1.4
const INTERNAL = 1 / (GAMMA - 1)

@inline function primitive(rho::L, mx, my, mz, energy) where {L}
    inverse = L(1.0) / rho
    u, v, w = mx * inverse, my * inverse, mz * inverse
    return u, v, w, L(GAMMA - 1) * (energy - L(0.5) * (mx * u + my * v + mz * w))
end

"The flux along the normal."
@inline function flux((rho, n, t, b, p, energy))
    mass = rho * n
    return mass, mass * n + p, mass * t, mass * b, (energy + p) * n
end

"Kinetic-energy and pressure-equilibrium preserving (Shima et al. 2021)."
@inline function two_point((ra, na, ta, ba, pa), (rb, nb, tb, bb, pb))
    h = typeof(ra)(0.5)
    normal = h * (na + nb)
    p = h * (pa + pb)
    mass = h * (ra + rb) * normal
    half = h * mass
    kinetic = half * (na * nb + ta * tb + ba * bb)
    return (mass, half * (na + nb) + p, half * (ta + tb), half * (ba + bb),
            typeof(ra)(INTERNAL) * p * normal + kinetic + h * (pa * nb + pb * na))
end

"The flux between two states, the second on the side of larger coordinate."
@inline function rusanov((ra, na, ta, ba, pa, ea), (rb, nb, tb, bb, pb, eb))
    gamma, h = typeof(ra)(GAMMA), typeof(ra)(0.5)
    sound = root(larger(gamma * pa / ra, gamma * pb / rb))
    speed = larger(abs(na), abs(nb)) + sound
    ma, mb = ra * na, rb * nb
    return (h * (ma + mb) - h * speed * (rb - ra),
            h * ((ma * na + pa) + (mb * nb + pb)) - h * speed * (mb - ma),
            h * (ma * ta + mb * tb) - h * speed * (rb * tb - ra * ta),
            h * (ma * ba + mb * bb) - h * speed * (rb * bb - ra * ba),
            h * ((ea + pa) * na + (eb + pb) * nb) - h * speed * (eb - ea))
end

"Where the normal, the two tangential and the other variables of a direction lie."
struct Rotated
    step::Int
    one::Int
    two::Int
    three::Int
end

Rotated(step, d) = Rotated(step, 1 + d, 1 + (d + 1) % 3, 1 + (d + 2) % 3)

"Where the components of a flux lie."
@inline places(to::Rotated) = map(v -> v * to.step, (0, to.one, to.two, to.three, 4))

"r += c f at a node."
@inline function add!(r, at, to::Rotated, c, f, ::Type{L}) where {L}
    map(places(to), f) do place, x
        store!(r, at + place, load(L, r, at + place) + c * x)
    end
    return nothing
end

"rho, velocity, p and E of a node in scratch memory."
@inline own(s, at, from::Rotated, ::Type{L}) where {L} = (
    load(L, s, at), load(L, s, at + from.one * from.step), load(L, s, at + from.two * from.step),
    load(L, s, at + from.three * from.step), load(L, s, at + 4 * from.step),
    load(L, s, at + 5 * from.step))

"The same of a node in another element."
@inline function neighbour(u, at, from::Rotated, ::Type{L}) where {L}
    rho, energy = load(L, u, at), load(L, u, at + 4 * from.step)
    momentum = (load(L, u, at + from.one * from.step), load(L, u, at + from.two * from.step),
                load(L, u, at + from.three * from.step))
    return (rho, primitive(rho, momentum..., energy)..., energy)
end

"sum_l w_l f_l, from `sum` on."
@inline weighted(sum, ::Tuple{}, ::Tuple{}) = sum
@inline weighted(sum, w, f) =
    weighted(map((a, x) -> a + first(w) * x, sum, first(f)), Base.tail(w), Base.tail(f))

"r_i += c sum_l V_il f_l along the line of nodes at, at + jump, ..."
@inline function weak!(s, r, at, jump, to, c, matrix, ::Val{N}, ::Type{L}) where {N,L}
    # In a tuple, not in memory: the compiler would fear that a store to r changes them.
    f = ntuple(Val(N)) do l
        @inline  # else each flux is a call
        flux(own(s, at + (l - 1) * jump, to, L))
    end
    for i in 0:N-1
        w = ntuple(l -> L(unsafe_load(matrix, i * N + l)), Val(N))
        start = map(x -> first(w) * x, first(f))
        add!(r, at + i * jump, to, c, weighted(start, Base.tail(w), Base.tail(f)), L)
    end
end

"r_i += c sum_l V_il f#_il along a line; each two-point flux serves both its nodes."
@inline function split!(s, r, at, jump, to, c, matrix, ::Val{N}, ::Type{L}) where {N,L}
    for i in 0:N-2
        a = own(s, at + i * jump, to, L)
        for l in i+1:N-1
            f = two_point(a, own(s, at + l * jump, to, L))
            add!(r, at + i * jump, to, c * unsafe_load(matrix, i * N + l + 1), f, L)
            add!(r, at + l * jump, to, c * unsafe_load(matrix, l * N + i + 1), f, L)
        end
    end
end

"""
What `stage` is compiled for; `euler.constants` defines the parts. `placed` keeps the matrix as
devices hold it, by device and precision.
"""
struct Stage{N,SPLIT,W}
    matrix::Vector{Float64}
    lift::Float64
    placed::Dict{Any,Any}
end

"""
r += c (volume and surface terms) along direction D of the elements at offset `base`, from which the
next ones lie `across` away. For each D compiled by itself: offsets in scratch memory are constants.
"""
@noinline function direction!(::Val{D}, u, base, across, nx, s, r, matrix, lift, c,
                              ::Stage{N,SPLIT,W}, ::Type{L}) where {D,N,SPLIT,W,L}
    nodes = N^3
    inside, outside = Rotated(nodes * W, D), Rotated(nodes * nx, D)
    jump = N^D
    # Lines start at the nodes whose index along D is 0.
    for outer in 0:jump*N:nodes-1, m in outer:outer+jump-1
        last = m + (N - 1) * jump
        if SPLIT
            split!(s, r, m * W, jump * W, inside, c, matrix, Val(N), L)
        else
            weak!(s, r, m * W, jump * W, inside, c, matrix, Val(N), L)
        end
        below = neighbour(u, base - across + last * nx, outside, L)
        lower = rusanov(below, own(s, m * W, inside, L))
        add!(r, m * W, inside, c * lift, lower, L)
        above = neighbour(u, base + across + m * nx, outside, L)
        upper = rusanov(own(s, last * W, inside, L), above)
        add!(r, last * W, inside, -c * lift, upper, L)
    end
end

"`count` elements from offset `first` of the fields, whose padded shape is (nx, ny, ...)."
function row!(u::Ptr{T}, k, out, first, count, nx, ny, scratch, matrix, lift, a, b, scales,
              stage::Stage{N,SPLIT,W}) where {T,N,SPLIT,W}
    L = Lanes{W,T}
    nodes = N^3
    component = nodes * nx
    step = nodes * W
    s, r = scratch, scratch + 6 * step * sizeof(T)
    # Along x, y, z: from an element to the next, in the fields.
    across = (1, 5 * component, ny * 5 * component)
    for x in 0:W:count-1
        base = first + x
        for m in 0:nodes-1
            at = base + m * nx
            rho, energy = load(L, u, at), load(L, u, at + 4 * component)
            q = primitive(rho, load(L, u, at + component), load(L, u, at + 2 * component),
                          load(L, u, at + 3 * component), energy)
            map((0, 1, 2, 3, 4, 5), (rho, q..., energy)) do v, value
                store!(s, m * W + v * step, value)
            end
        end
        for m in 0:5*nodes-1
            store!(r, m * W, L(0))
        end
        direction!(Val(0), u, base, across[1], nx, s, r, matrix, lift, scales[1], stage, L)
        direction!(Val(1), u, base, across[2], nx, s, r, matrix, lift, scales[2], stage, L)
        direction!(Val(2), u, base, across[3], nx, s, r, matrix, lift, scales[3], stage, L)
        whole = x + W <= count
        for m in 0:5*nodes-1
            at = base + m * nx
            change = a * load(L, k, at) + load(L, r, m * W)
            value = load(L, u, at) + b * change
            if whole
                store!(k, at, change)
                store!(out, at, value)
            else
                # The primitive variables are not needed any more.
                store!(s, 0, change)
                store!(s, W, value)
                for lane in 1:count-x
                    unsafe_store!(k, unsafe_load(s, lane), at + lane)
                    unsafe_store!(out, unsafe_load(s, W + lane), at + lane)
                end
            end
        end
    end
end

@kernel function rows!(stage, u, k, out, origin, count, nx, ny, scratch, stride, matrix, lift, a, b,
                       scales)
    y, z = @index(Global, NTuple)
    first = ((origin[3] + z - 1) * ny + origin[2] + y - 1) * stride + origin[1]
    # Static scheduling: a work-item stays on its thread.
    row!(pointer(u), pointer(k), pointer(out), first, count, nx, ny,
         pointer(scratch[Threads.threadid()]), pointer(matrix), lift, a, b, scales, stage)
end

function (stage::Stage{N,SPLIT,W})(backend::CPU, box, u::Array{T}, k, out, a, b, cx, cy,
                                   cz) where {N,SPLIT,W,T}
    z0, z1, y0, y1, x0, x1 = box
    (z1 <= z0 || y1 <= y0 || x1 <= x0) && return nothing
    nx, ny = size(u, 1), size(u, 6)
    scratch = scratch_memory(T, (11 * N^3 * W,))
    matrix = convert(Vector{T}, stage.matrix)
    GC.@preserve u k out scratch matrix begin
        rows!(backend, (1, 1))(stage, u, k, out, (x0, y0, z0), x1 - x0, nx, ny, scratch,
                               5 * N^3 * nx, matrix, T(stage.lift), a, b, (cx, cy, cz);
                               ndrange = (y1 - y0, z1 - z0))
    end
    return nothing
end

include("nodes.jl")

"The functions for p + 1 = `nodes`."
function specialize(; nodes, split, volume, lift, lanes)
    matrix = parse.(Float64, Base.split(volume, ","))
    return (stage = Stage{Int(nodes),split != 0,Int(lanes)}(matrix, lift, Dict()),)
end

end
