"""
A perceptron for an interval of vertical mixing, and the solver it replaces, with KernelAbstractions
as its users write it: a work-item a column.
"""
module emulator_ka

using KernelAbstractions
using ..JouliaKernels: OneCell, each_item, emulator

const WIDEST = 128
const FINEST = 128

@kernel function forward!(@Const(t), out, @Const(q), @Const(weights), @Const(bias),
                          @Const(starts), @Const(columns), @Const(plan), layers, widest, interval,
                          origin)
    index = @index(Global, NTuple)
    i, j = index .+ origin
    nz = size(t, 3)
    a = @private eltype(out) (WIDEST, 2)
    @inbounds for k in 1:nz-1
        a[k, 1] = t[i, j, k+1] - t[i, j, k]
    end
    @inbounds a[nz, 1] = q[i, j]
    row, from = 0, 1
    @inbounds for layer in 1:layers
        for r in 1:plan[1, layer]
            row += 1
            total = bias[row]
            for n in starts[row]+1:starts[row+1]
                total += weights[n] * a[columns[n]+1, from]
            end
            a[r, 3-from] = plan[2, layer] != 0 ? max(total, zero(total)) : total
        end
        from = 3 - from
    end
    mean = zero(eltype(out))
    @inbounds for k in 1:nz
        mean += a[k, from]
    end
    mean /= nz
    @inbounds for k in 1:nz
        out[i, j, k] = t[i, j, k] + (a[k, from] - mean) - interval * q[i, j]
    end
end

@kernel function solve!(@Const(start), out, @Const(q), parts, steps, stable, unstable, cooling,
                        origin)
    index = @index(Global, NTuple)
    i, j = index .+ origin
    nz, T = size(start, 3), eltype(out)
    levels = nz * parts
    t = @private eltype(out) (FINEST,)
    c = @private eltype(out) (FINEST,)
    d = @private eltype(out) (FINEST,)
    @inbounds for k in 1:nz
        here = start[i, j, k]
        below, above = here - start[i, j, max(k-1, 1)], start[i, j, min(k+1, nz)] - here
        slope = zero(T)
        if below * above > 0
            slope = below > 0 ? min(below, above) : max(below, above)
        end
        for p in 1:parts
            t[(k-1)*parts+p] = here + ((p - T(0.5)) / parts - T(0.5)) * slope
        end
    end
    @inbounds for _ in 1:steps
        e = lower = zero(T)
        for k in 1:levels
            upper = k == levels ? zero(T) : t[k+1] < t[k] ? unstable : stable
            s = 1 + lower * e
            own = k == levels ? t[k] - cooling * q[i, j] : t[k]
            e = s / (s + upper)
            c[k] = upper / (s + upper)
            d[k] = (k > 1 ? own + lower * d[k-1] : own) / (s + upper)
            lower = upper
        end
        t[levels] = d[levels]
        # A range that goes down would call Julia's runtime, which a GPU does not have.
        for n in 1:levels-1
            k = levels - n
            t[k] = d[k] + c[k] * t[k+1]
        end
    end
    @inbounds for k in 1:nz
        total = zero(T)
        for p in 1:parts
            total += t[(k-1)*parts+p]
        end
        out[i, j, k] = total / parts
    end
end

const GROUP = (16,)

forward(backend, box, args...) = each_item(forward!, backend, box[3:6], args...; group = GROUP)
solve(backend, box, args...) = each_item(solve!, backend, box[3:6], args...; group = GROUP)

# The tuned version has no other one for GPUs.
emulator.forward(device::OneCell, box, args...) = forward(device.backend, box, args...)
emulator.solve(device::OneCell, box, args...) = solve(device.backend, box, args...)

end
