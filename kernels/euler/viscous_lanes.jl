# Viscosity by lanes on processors, and a work-item a node on devices with many lanes (viscous.jl).
#
# Scratch memory holds, by lanes, the variables u [v1, v2, v3, T][node], with T = p / rho, and their
# gradients g [direction][variable][node]. Offsets count from zero, as in euler.jl.

"The variables of a node, with components `step` apart."
@inline function lane_variables(q, at, step, ::Type{L}) where {L}
    inverse = L(1.0) / load(L, q, at)
    m1, m2 = load(L, q, at + step), load(L, q, at + 2 * step)
    m3, energy = load(L, q, at + 3 * step), load(L, q, at + 4 * step)
    v1, v2, v3 = m1 * inverse, m2 * inverse, m3 * inverse
    twice_kinetic = muladd(m3, v3, muladd(m2, v2, m1 * v1))
    return v1, v2, v3, L(GAMMA - 1) * muladd(L(-0.5), twice_kinetic, energy) * inverse
end

"g_i += sum_l S_il u_l along the line of nodes at, at + jump, ..., with the neighbours at its ends."
@inline function add_slope!(u, g, to, jump, slopes, c, lift, below, above, ::Val{N},
                            ::Type{L}) where {N,L}
    for i in 0:N-1
        total = L(unsafe_load(slopes, i * N + 1)) * u[1]
        for l in 2:N
            total = muladd(L(unsafe_load(slopes, i * N + l)), u[l], total)
        end
        i == 0 && (total = muladd(L(-lift), below, total))
        i == N - 1 && (total = muladd(L(lift), above, total))
        store!(g, to + i * jump, muladd(c, total, load(L, g, to + i * jump)))
    end
end

"The first `count` lanes of a value, through scratch memory where they are not all."
@inline function write!(field, at, value::Lanes{W}, count, spare) where {W}
    if count >= W
        store!(field, at, value)
    else
        store!(spare, 0, value)
        for lane in 1:count
            unsafe_store!(field, unsafe_load(spare, lane), at + lane)
        end
    end
end

"The derivatives along direction D of the elements at offset `base`."
@noinline function slopes_along!(::Val{D}, q, base, across, nx, u, g, slopes, lift, c, ::Val{N},
                                 ::Type{L}) where {D,N,W,T,L<:Lanes{W,T}}
    nodes, jump = N^3, N^D
    step = nodes * W
    for outer in 0:jump*N:nodes-1, m in outer:outer+jump-1
        last = m + (N - 1) * jump
        below = lane_variables(q, base - across + last * nx, nodes * nx, L)
        above = lane_variables(q, base + across + m * nx, nodes * nx, L)
        map((0, 1, 2, 3), below, above) do part, under, over
            line = ntuple(l -> load(L, u, part * step + (m + (l - 1) * jump) * W), Val(N))
            add_slope!(line, g, (4 * D + part) * step + m * W, jump * W, slopes, c, lift, under,
                       over, Val(N), L)
        end
    end
end

"The three fluxes of a node, of its variables and gradients in scratch memory."
@inline function lane_fluxes(u, g, at, step, mu, kappa, ::Type{L}) where {L}
    v = (load(L, u, at), load(L, u, at + step), load(L, u, at + 2 * step))
    d(direction, variable) = load(L, g, at + (4 * direction + variable) * step)
    compression = L(1 / 3) * (d(0, 0) + d(1, 1) + d(2, 2))
    xx, yy, zz = map(s -> L(2mu) * (s - compression), (d(0, 0), d(1, 1), d(2, 2)))
    xy, xz, yz = L(mu) * (d(0, 1) + d(1, 0)), L(mu) * (d(0, 2) + d(2, 0)),
                 L(mu) * (d(1, 2) + d(2, 1))
    work(stress, heat) = muladd(v[3], stress[3], muladd(v[2], stress[2], muladd(v[1], stress[1],
                                L(kappa) * heat)))
    return ((xx, xy, xz, work((xx, xy, xz), d(0, 3))), (xy, yy, yz, work((xy, yy, yz), d(1, 3))),
            (xz, yz, zz, work((xz, yz, zz), d(2, 3))))
end

"The viscous fluxes of `count` elements from offset `first` on."
function flux_row!(q::Ptr{T}, f, first, count, nx, ny, scratch, slopes, lift, mu, kappa, inverse,
                   ::Val{N}, ::Val{W}) where {T,N,W}
    L = Lanes{W,T}
    nodes = N^3
    component, step = nodes * nx, nodes * W
    u, g = scratch, scratch + 4 * step * sizeof(T)
    spare = scratch + 16 * step * sizeof(T)
    across = (1, 5 * component, ny * 5 * component)
    for x in 0:W:count-1
        base = first + x
        for m in 0:nodes-1
            map((0, 1, 2, 3), lane_variables(q, base + m * nx, component, L)) do part, value
                store!(u, m * W + part * step, value)
            end
        end
        for m in 0:12*nodes-1
            store!(g, m * W, L(0))
        end
        slopes_along!(Val(0), q, base, across[1], nx, u, g, slopes, lift, inverse[1], Val(N), L)
        slopes_along!(Val(1), q, base, across[2], nx, u, g, slopes, lift, inverse[2], Val(N), L)
        slopes_along!(Val(2), q, base, across[3], nx, u, g, slopes, lift, inverse[3], Val(N), L)
        for m in 0:nodes-1
            map(f, lane_fluxes(u, g, m * W, step, mu, kappa, L)) do field, values
                map((1, 2, 3, 4), values) do part, value
                    write!(field, base + part * component + m * nx, value, count - x, spare)
                end
            end
        end
    end
end

"r += c times the derivative along direction D of a flux, of all components but the first."
@noinline function divergence!(::Val{D}, f, base, across, nx, r, slopes, lift, c, ::Val{N},
                               ::Type{L}) where {D,N,W,T,L<:Lanes{W,T}}
    nodes, jump = N^3, N^D
    for part in 0:3, outer in 0:jump*N:nodes-1, m in outer:outer+jump-1
        here = base + (1 + part) * nodes * nx
        line = ntuple(l -> load(L, f, here + (m + (l - 1) * jump) * nx), Val(N))
        below = load(L, f, here - across + (m + (N - 1) * jump) * nx)
        above = load(L, f, here + across + m * nx)
        add_slope!(line, r, (part * nodes + m) * W, jump * W, slopes, c, lift, below, above, Val(N),
                   L)
    end
end

"What viscosity adds to `count` elements from offset `first` on."
function divergence_row!(f, k::Ptr{T}, out, first, count, nx, ny, scratch, slopes, lift, b, scales,
                         ::Val{N}, ::Val{W}) where {T,N,W}
    L = Lanes{W,T}
    nodes = N^3
    r, spare = scratch, scratch + 16 * nodes * W * sizeof(T)
    across = (1, 5 * nodes * nx, ny * 5 * nodes * nx)
    for x in 0:W:count-1
        base = first + x
        for m in 0:4*nodes-1
            store!(r, m * W, L(0))
        end
        divergence!(Val(0), f[1], base, across[1], nx, r, slopes, lift, scales[1], Val(N), L)
        divergence!(Val(1), f[2], base, across[2], nx, r, slopes, lift, scales[2], Val(N), L)
        divergence!(Val(2), f[3], base, across[3], nx, r, slopes, lift, scales[3], Val(N), L)
        for m in 0:4*nodes-1
            at, added = base + (nodes + m) * nx, load(L, r, m * W)
            write!(k, at, load(L, k, at) + added, count - x, spare)
            write!(out, at, muladd(b, added, load(L, out, at)), count - x, spare)
        end
    end
end

"What `viscous_flux` is compiled for, as `Stage`."
struct ViscousFlux{N,W}
    slopes::Vector{Float64}
    lift::Float64
    placed::Dict{Any,Any}
end

"What `viscous` is compiled for."
struct Viscous{N,W}
    slopes::Vector{Float64}
    lift::Float64
    placed::Dict{Any,Any}
end

"Where a row begins, of the work-item (y, z) of a box from `origin` on."
@inline row_start(y, z, origin, nx, ny, nodes) =
    ((origin[3] + z - 1) * ny + origin[2] + y - 1) * 5 * nodes * nx + origin[1]

@kernel function flux_rows!(n, w, q, f, origin, count, nx, ny, nodes, scratch, slopes, lift, mu,
                            kappa, inverse)
    y, z = @index(Global, NTuple)
    flux_row!(pointer(q), map(pointer, f), row_start(y, z, origin, nx, ny, nodes), count, nx, ny,
              pointer(scratch[Threads.threadid()]), pointer(slopes), lift, mu, kappa, inverse, n, w)
end

@kernel function divergence_rows!(n, w, f, k, out, origin, count, nx, ny, nodes, scratch, slopes,
                                  lift, b, scales)
    y, z = @index(Global, NTuple)
    divergence_row!(map(pointer, f), pointer(k), pointer(out),
                    row_start(y, z, origin, nx, ny, nodes), count, nx, ny,
                    pointer(scratch[Threads.threadid()]), pointer(slopes), lift, b, scales, n, w)
end

function (flux::ViscousFlux{N,W})(backend::CPU, box, q::Array{T}, fx, fy, fz, mu, kappa, ix, iy,
                                  iz) where {N,W,T}
    z0, z1, y0, y1, x0, x1 = box
    (z1 <= z0 || y1 <= y0 || x1 <= x0) && return nothing
    scratch = scratch_memory(T, ((16 * N^3 + 1) * W,))
    slopes = convert(Vector{T}, flux.slopes)
    GC.@preserve q fx fy fz scratch slopes begin
        flux_rows!(backend, (1, 1))(Val(N), Val(W), q, (fx, fy, fz), (x0, y0, z0), x1 - x0,
                                    size(q, 1), size(q, 6), N^3, scratch, slopes, T(flux.lift), mu,
                                    kappa, (ix, iy, iz); ndrange = (y1 - y0, z1 - z0))
    end
    return nothing
end

function (viscous::Viscous{N,W})(backend::CPU, box, fx::Array{T}, fy, fz, k, out, b, sx, sy,
                                 sz) where {N,W,T}
    z0, z1, y0, y1, x0, x1 = box
    (z1 <= z0 || y1 <= y0 || x1 <= x0) && return nothing
    scratch = scratch_memory(T, ((16 * N^3 + 1) * W,))
    slopes = convert(Vector{T}, viscous.slopes)
    GC.@preserve fx fy fz k out scratch slopes begin
        divergence_rows!(backend, (1, 1))(Val(N), Val(W), (fx, fy, fz), k, out, (x0, y0, z0),
                                          x1 - x0, size(k, 1), size(k, 6), N^3, scratch, slopes,
                                          T(viscous.lift), b, (sx, sy, sz);
                                          ndrange = (y1 - y0, z1 - z0))
    end
    return nothing
end

# ---- a work-item a node ------------------------------------------------------------------------

@inline place(::Val{N}, (x, m, y, z), origin) where {N} =
    (x, y, z) .+ origin, ((m - 1) % N + 1, (m - 1) ÷ N % N + 1, (m - 1) ÷ N^2 + 1)

@kernel function flux_nodes!(n, q, fx, fy, fz, origin, slopes, lift, mu, kappa, inverse)
    item = @index(Global, NTuple)
    element, node = place(n, item, origin)
    @inbounds viscous_flux_at(q, fx, fy, fz, mu, kappa, inverse, element, node, slopes, lift, n)
end

@kernel function viscous_nodes!(n, fx, fy, fz, k, out, origin, slopes, lift, b, scales)
    item = @index(Global, NTuple)
    element, node = place(n, item, origin)
    @inbounds viscous_at(fx, fy, fz, k, out, b, scales, element, node, slopes, lift, n)
end

"The matrix S as a device holds it, for indices [l, i]."
on_device(f, device, ::Type{T}, n) where {T} =
    get!(() -> on(device, reshape(convert(Vector{T}, f.slopes), n, n)), f.placed, (device, T))

function (flux::ViscousFlux{N})(device::OneCell, box, q::AbstractArray{T}, fx, fy, fz, mu, kappa,
                                ix, iy, iz) where {N,T}
    z0, z1, y0, y1, x0, x1 = box
    (z1 <= z0 || y1 <= y0 || x1 <= x0) && return nothing
    flux_nodes!(device.backend, (ELEMENTS, cld(N^3, cld(N^3, NODES)), 1, 1))(
        Val(N), q, fx, fy, fz, (x0, y0, z0), on_device(flux, device, T, N), T(flux.lift), mu, kappa,
        (ix, iy, iz); ndrange = (x1 - x0, N^3, y1 - y0, z1 - z0))
    return nothing
end

function (viscous::Viscous{N})(device::OneCell, box, fx::AbstractArray{T}, fy, fz, k, out, b, sx, sy,
                               sz) where {N,T}
    z0, z1, y0, y1, x0, x1 = box
    (z1 <= z0 || y1 <= y0 || x1 <= x0) && return nothing
    viscous_nodes!(device.backend, (ELEMENTS, cld(N^3, cld(N^3, NODES)), 1, 1))(
        Val(N), fx, fy, fz, k, out, (x0, y0, z0), on_device(viscous, device, T, N), T(viscous.lift),
        b, (sx, sy, sz); ndrange = (x1 - x0, N^3, y1 - y0, z1 - z0))
    return nothing
end
