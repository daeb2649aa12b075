"""
dq/dt + div f(q) = 0, q = (rho, rho v1, rho v2, rho v3, E), with KernelAbstractions.

The compressible Euler equations by DGSEM: a work-item a row of elements, vectors of neighbouring
elements.

A few elements that are neighbours in x are computed together, one in each lane of a vector, so that
everything is vector arithmetic for any degree. Lanes beyond the end of a row compute on whatever
follows in memory (a field ends in a plane of halo, so something does) and are not stored: an
element's result does not depend on its lane, its row's length or its rank. On a device with many
lanes of its own a work-item has a single node (nodes.jl); the arithmetic on numbers and on lanes is
the same.

Scratch memory holds, by lanes, the primitive variables `s` [rho, v1, v2, v3, p, E][node] and the
change `r` [component][node]. Along a direction d the velocity is (v_n, v_s, v_t), v_n normal to
faces; `ll` and `rr` are the states on the lower and the upper side. Offsets count from zero.
"""
module euler

using KernelAbstractions
using ..JouliaKernels: LINE_BYTES, OneCell, on, prefetch_to_read, prefetch_to_write, scratch_memory
import ..JouliaKernels: muladd, root

include("lanes.jl")

const GAMMA = 1.4
const INVERSE_GAMMA_MINUS_ONE = 1 / (GAMMA - 1)

"v1, v2, v3 and p of conserved variables."
@inline function primitive(rho::L, m1, m2, m3, energy) where {L}
    inverse = L(1.0) / rho
    v1, v2, v3 = m1 * inverse, m2 * inverse, m3 * inverse
    twice_kinetic = muladd(m3, v3, muladd(m2, v2, m1 * v1))
    return v1, v2, v3, L(GAMMA - 1) * muladd(L(-0.5), twice_kinetic, energy)
end

"f of a state in a direction: mass, momentum along n, s and t, energy."
@inline function flux((rho, v_n, v_s, v_t, p, energy))
    mass = rho * v_n
    return mass, muladd(mass, v_n, p), mass * v_s, mass * v_t, (energy + p) * v_n
end

"Kinetic-energy and pressure-equilibrium preserving (Shima et al. 2021)."
@inline function flux_shima((rho_ll, v_n_ll, v_s_ll, v_t_ll, p_ll),
                            (rho_rr, v_n_rr, v_s_rr, v_t_rr, p_rr))
    half = typeof(rho_ll)(0.5)
    v_n_mean = half * (v_n_ll + v_n_rr)
    p_mean = half * (p_ll + p_rr)
    mass = half * (rho_ll + rho_rr) * v_n_mean
    half_mass = half * mass
    product = muladd(v_t_ll, v_t_rr, muladd(v_s_ll, v_s_rr, v_n_ll * v_n_rr))
    work = muladd(p_ll, v_n_rr, p_rr * v_n_ll)
    internal = typeof(rho_ll)(INVERSE_GAMMA_MINUS_ONE) * p_mean
    return (mass, muladd(half_mass, v_n_ll + v_n_rr, p_mean), half_mass * (v_s_ll + v_s_rr),
            half_mass * (v_t_ll + v_t_rr),
            muladd(internal, v_n_mean, muladd(half_mass, product, half * work)))
end

"The Rusanov (local Lax-Friedrichs) flux, lambda = max |v_n| + max c."
@inline function flux_rusanov((rho_ll, v_n_ll, v_s_ll, v_t_ll, p_ll, energy_ll),
                              (rho_rr, v_n_rr, v_s_rr, v_t_rr, p_rr, energy_rr))
    gamma, half = typeof(rho_ll)(GAMMA), typeof(rho_ll)(0.5)
    sound = root(larger(gamma * p_ll / rho_ll, gamma * p_rr / rho_rr))
    half_speed = half * (larger(abs(v_n_ll), abs(v_n_rr)) + sound)
    mass_ll, mass_rr = rho_ll * v_n_ll, rho_rr * v_n_rr
    momentum = muladd(mass_ll, v_n_ll, p_ll) + muladd(mass_rr, v_n_rr, p_rr)
    second = muladd(mass_ll, v_s_ll, mass_rr * v_s_rr)
    third = muladd(mass_ll, v_t_ll, mass_rr * v_t_rr)
    energy = muladd(energy_ll + p_ll, v_n_ll, (energy_rr + p_rr) * v_n_rr)
    return (muladd(-half_speed, rho_rr - rho_ll, half * (mass_ll + mass_rr)),
            muladd(-half_speed, mass_rr - mass_ll, half * momentum),
            muladd(-half_speed, muladd(-rho_ll, v_s_ll, rho_rr * v_s_rr), half * second),
            muladd(-half_speed, muladd(-rho_ll, v_t_ll, rho_rr * v_t_rr), half * third),
            muladd(-half_speed, energy_rr - energy_ll, half * energy))
end

"Where the normal, the two tangential and the other variables of a direction lie."
struct Rotated
    step::Int
    n_::Int
    s_::Int
    t_::Int
end

Rotated(step, d) = Rotated(step, 1 + d, 1 + (d + 1) % 3, 1 + (d + 2) % 3)

"Where the components of a flux lie."
@inline places(to::Rotated) = map(part -> part * to.step, (0, to.n_, to.s_, to.t_, 4))

"r += c f at a node."
@inline function add!(r, at, to::Rotated, c, f, ::Type{L}) where {L}
    map(places(to), f) do place, part
        store!(r, at + place, muladd(c, part, load(L, r, at + place)))
    end
    return nothing
end

"rho, velocity, p and E of a node in scratch memory."
@inline own(s, at, from::Rotated, ::Type{L}) where {L} = (
    load(L, s, at), load(L, s, at + from.n_ * from.step), load(L, s, at + from.s_ * from.step),
    load(L, s, at + from.t_ * from.step), load(L, s, at + 4 * from.step),
    load(L, s, at + 5 * from.step))

"The same of a node in another element."
@inline function neighbour(q, at, from::Rotated, ::Type{L}) where {L}
    rho, energy = load(L, q, at), load(L, q, at + 4 * from.step)
    momentum = (load(L, q, at + from.n_ * from.step), load(L, q, at + from.s_ * from.step),
                load(L, q, at + from.t_ * from.step))
    return (rho, primitive(rho, momentum..., energy)..., energy)
end

"total + c f"
@inline add_product(total, c, f) = map((sum, part) -> muladd(c, part, sum), total, f)

"sum_l w_l f_l, from `total` on."
@inline weighted(total, ::Tuple{}, ::Tuple{}) = total
@inline weighted(total, w, f) =
    weighted(add_product(total, first(w), first(f)), Base.tail(w), Base.tail(f))

"r_i += c sum_l V_il f_l along the line of nodes at, at + jump, ..."
@inline function weak_form!(s, r, at, jump, to, c, matrix, ::Val{N}, ::Type{L}) where {N,L}
    # In a tuple, not in memory: the compiler would fear that a store to r changes them.
    f = ntuple(Val(N)) do l
        @inline  # else each flux is a call
        flux(own(s, at + (l - 1) * jump, to, L))
    end
    for i in 0:N-1
        w = ntuple(l -> L(unsafe_load(matrix, i * N + l)), Val(N))
        start = map(part -> first(w) * part, first(f))
        add!(r, at + i * jump, to, c, weighted(start, Base.tail(w), Base.tail(f)), L)
    end
end

"r_i += c sum_l V_il f#_il along a line; each two-point flux serves both its nodes."
@inline function split_form!(s, r, at, jump, to, c, matrix, ::Val{N}, ::Type{L}) where {N,L}
    for i in 0:N-2
        ll = own(s, at + i * jump, to, L)
        for l in i+1:N-1
            f = flux_shima(ll, own(s, at + l * jump, to, L))
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
What is asked for with each line of nodes, a share of the row of elements that is computed next: of q
the row behind it, whose nodes it meets along y, and the faces `over` and `under` that it meets
along z. All at once would wait for each other.
"""
struct Ahead{T}
    q::Ptr{T}
    k::Ptr{T}
    out::Ptr{T}
    over::Ptr{T}
    under::Ptr{T}
    face::Int
    component::Int
    share::Int
    face_share::Int
end

function Ahead(q::Ptr{T}, k, out, next, across, component, face, turns) where {T}
    in_line = LINE_BYTES ÷ sizeof(T)
    at(p, offset) = p + offset * sizeof(T)
    return Ahead{T}(at(q, next + across[2]), at(k, next), at(out, next), at(q, next + across[3]),
                    at(q, next - across[3] + component - face), face, component,
                    cld(across[2] ÷ in_line, turns) * in_line,
                    cld(5 * face ÷ in_line, turns) * in_line)
end

@inline function ask(ahead::Ahead{T}, turn) where {T}
    in_line = LINE_BYTES ÷ sizeof(T)
    for i in 0:in_line:ahead.share-1
        at = (turn * ahead.share + i) * sizeof(T)
        prefetch_to_read(ahead.q + at)
        prefetch_to_write(ahead.k + at)
        prefetch_to_write(ahead.out + at)
    end
    for i in 0:in_line:ahead.face_share-1
        part, node = divrem(turn * ahead.face_share + i, ahead.face)
        at = (part * ahead.component + node) * sizeof(T)
        prefetch_to_read(ahead.over + at)
        prefetch_to_read(ahead.under + at)
    end
end

"""
r += c (volume and surface terms) along direction D of the elements at offset `base`, from which the
next ones lie `across` away. For each D compiled by itself: offsets in scratch memory are constants.
"""
@noinline function direction!(::Val{D}, q, base, across, nx, s, r, matrix, lift, c, ahead, turn,
                              ::Stage{N,SPLIT,W}, ::Type{L}) where {D,N,SPLIT,W,L}
    nodes = N^3
    inside, outside = Rotated(nodes * W, D), Rotated(nodes * nx, D)
    jump = N^D
    # Lines start at the nodes whose index along D is 0.
    for outer in 0:jump*N:nodes-1, m in outer:outer+jump-1
        last = m + (N - 1) * jump
        if SPLIT
            split_form!(s, r, m * W, jump * W, inside, c, matrix, Val(N), L)
        else
            weak_form!(s, r, m * W, jump * W, inside, c, matrix, Val(N), L)
        end
        ask(ahead, turn)
        turn += 1
        below = neighbour(q, base - across + last * nx, outside, L)
        lower = flux_rusanov(below, own(s, m * W, inside, L))
        add!(r, m * W, inside, c * lift, lower, L)
        above = neighbour(q, base + across + m * nx, outside, L)
        upper = flux_rusanov(own(s, last * W, inside, L), above)
        add!(r, last * W, inside, -c * lift, upper, L)
    end
end

"""
`count` elements from offset `first` of the fields, whose padded shape is (nx, ny, ...); `next` is
the offset of the row that is computed next.
"""
function row!(q::Ptr{T}, k, out, first, next, count, nx, ny, scratch, matrix, lift, a, b, scales,
              stage::Stage{N,SPLIT,W}) where {T,N,SPLIT,W}
    L = Lanes{W,T}
    nodes = N^3
    component = nodes * nx
    step = nodes * W
    s, r = scratch, scratch + 6 * step * sizeof(T)
    # Along x, y, z: from an element to the next, in the fields.
    across = (1, 5 * component, ny * 5 * component)
    lines = N^2
    ahead = Ahead(q, k, out, next, across, component, lines * nx, cld(count, W) * 3 * lines)
    for x in 0:W:count-1
        base = first + x
        for m in 0:nodes-1
            at = base + m * nx
            rho, energy = load(L, q, at), load(L, q, at + 4 * component)
            v1, v2, v3, p = primitive(rho, load(L, q, at + component),
                                      load(L, q, at + 2 * component),
                                      load(L, q, at + 3 * component), energy)
            map((0, 1, 2, 3, 4, 5), (rho, v1, v2, v3, p, energy)) do part, value
                store!(s, m * W + part * step, value)
            end
        end
        for m in 0:5*nodes-1
            store!(r, m * W, L(0))
        end
        turn = x ÷ W * 3 * lines
        direction!(Val(0), q, base, across[1], nx, s, r, matrix, lift, scales[1], ahead,
                   turn, stage, L)
        direction!(Val(1), q, base, across[2], nx, s, r, matrix, lift, scales[2], ahead,
                   turn + lines, stage, L)
        direction!(Val(2), q, base, across[3], nx, s, r, matrix, lift, scales[3], ahead,
                   turn + 2 * lines, stage, L)
        whole = x + W <= count
        for m in 0:5*nodes-1
            at = base + m * nx
            change = muladd(a, load(L, k, at), load(L, r, m * W))
            value = muladd(b, change, load(L, q, at))
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

@kernel function rows!(stage, q, k, out, origin, count, height, nx, ny, scratch, stride, matrix, lift,
                       a, b, scales)
    y, z = @index(Global, NTuple)
    first = ((origin[3] + z - 1) * ny + origin[2] + y - 1) * stride + origin[1]
    planes, rows = y < height ? (z - 1, y) : (z, 0)
    next = ((origin[3] + planes) * ny + origin[2] + rows) * stride
    # Static scheduling: a work-item stays on its thread.
    row!(pointer(q), pointer(k), pointer(out), first, next, count, nx, ny,
         pointer(scratch[Threads.threadid()]), pointer(matrix), lift, a, b, scales, stage)
end

function (stage::Stage{N,SPLIT,W})(backend::CPU, box, q::Array{T}, k, out, a, b, cx, cy,
                                   cz) where {N,SPLIT,W,T}
    z0, z1, y0, y1, x0, x1 = box
    (z1 <= z0 || y1 <= y0 || x1 <= x0) && return nothing
    nx, ny = size(q, 1), size(q, 6)
    scratch = scratch_memory(T, (11 * N^3 * W,))
    matrix = convert(Vector{T}, stage.matrix)
    GC.@preserve q k out scratch matrix begin
        rows!(backend, (1, 1))(stage, q, k, out, (x0, y0, z0), x1 - x0, y1 - y0, nx, ny, scratch,
                               5 * N^3 * nx, matrix, T(stage.lift), a, b, (cx, cy, cz);
                               ndrange = (y1 - y0, z1 - z0))
    end
    return nothing
end

include("nodes.jl")
include("viscous.jl")
include("viscous_lanes.jl")

"The functions for p + 1 = `nodes`."
function specialize(; nodes, split, volume, lift, lanes, slope = "")
    matrix = parse.(Float64, Base.split(volume, ","))
    stage = Stage{Int(nodes),split != 0,Int(lanes)}(matrix, lift, Dict())
    isempty(slope) && return (; stage)
    slopes = parse.(Float64, Base.split(slope, ","))
    return (; stage, viscous_flux = ViscousFlux{Int(nodes),Int(lanes)}(slopes, lift, Dict()),
            viscous = Viscous{Int(nodes),Int(lanes)}(slopes, lift, Dict()))
end

end
