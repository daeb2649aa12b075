"""
A perceptron for an interval of vertical mixing, and the solver it replaces.

WIDTH columns that are neighbours in x go through all layers together, in scratch memory that stays
in the cache nearest to the core. Four weights of a row are taken at once, so that a sum is loaded
and stored once for four products.
"""
module emulator

using ..JouliaKernels: each_block, muladd

const WIDTH = 64
const WIDEST = 128

"y = W x + b of one layer, both [column, feature]; its rows follow `row`."
@inline function layer!(y, x, row, rows, relu, starts, columns, weights, bias)
    @inbounds for r in 1:rows
        b = bias[row+r]
        @simd ivdep for i in 1:WIDTH
            y[i, r] = b
        end
        for j in starts[row+r]+1:4:starts[row+r+1]
            w0, w1, w2, w3 = weights[j], weights[j+1], weights[j+2], weights[j+3]
            c0, c1, c2, c3 = columns[j], columns[j+1], columns[j+2], columns[j+3]
            @simd ivdep for i in 1:WIDTH
                sum = muladd(w0, x[i, c0+1], y[i, r])
                sum = muladd(w2, x[i, c2+1], muladd(w1, x[i, c1+1], sum))
                y[i, r] = muladd(w3, x[i, c3+1], sum)
            end
        end
        if relu != 0
            @simd ivdep for i in 1:WIDTH
                y[i, r] = ifelse(y[i, r] > 0, y[i, r], zero(b))
            end
        end
    end
end

function predict(xs, ys, zs, scratch, t, out, q, weights, bias, starts, columns, plan, layers,
                 widest, interval)
    x, y = view(scratch, :, :, 1), view(scratch, :, :, 2)
    mean = view(scratch, :, 1, 3)
    a, j, nz = first(xs), first(ys), length(zs)
    @inbounds begin
        for k in 1:nz, i in 1:WIDTH
            x[i, k] = 0
        end
        for k in 1:nz-1
            @simd ivdep for i in 1:length(xs)
                x[i, k] = t[a+i-1, j, k+1] - t[a+i-1, j, k]
            end
        end
        for i in 1:length(xs)
            x[i, nz] = q[a+i-1, j]
        end
        row = 0
        for l in 1:layers
            layer!(y, x, row, Int(plan[1, l]), plan[2, l], starts, columns, weights, bias)
            row += Int(plan[1, l])
            x, y = y, x
        end
        for i in 1:WIDTH
            mean[i] = x[i, 1]
        end
        for k in 2:nz
            @simd ivdep for i in 1:WIDTH
                mean[i] += x[i, k]
            end
        end
        for i in 1:length(xs)
            mean[i] = muladd(interval, q[a+i-1, j], mean[i] / nz)
        end
        for k in 1:nz
            @simd ivdep for i in 1:length(xs)
                out[a+i-1, j, k] = t[a+i-1, j, k] + (x[i, k] - mean[i])
            end
        end
    end
end

forward(backend, box, args...) =
    each_block(predict, backend, box, (WIDTH, 1, box[2] - box[1]), (WIDTH, WIDEST, 3), args...)

"A step of `column` on a block: t, c and d are [column, level], q cools the top."
@inline function mix!(t, c, d, e, q, levels, stable, unstable)
    @inbounds for k in 1:levels
        lower, upper = max(k - 1, 1), min(k + 1, levels)
        bottom, top = k > 1 ? one(stable) : zero(stable), k < levels ? one(stable) : zero(stable)
        cooled = one(stable) - top
        @simd ivdep for i in 1:WIDTH
            here = t[i, k]
            below = bottom * ifelse(here < t[i, lower], unstable, stable)
            above = top * ifelse(t[i, upper] < here, unstable, stable)
            s = muladd(below, e[i], one(here))
            inverse = one(here) / (s + above)
            e[i] = s * inverse
            c[i, k] = above * inverse
            d[i, k] = muladd(below, d[i, lower], here - cooled * q[i]) * inverse
        end
    end
    @inbounds for i in 1:WIDTH
        t[i, levels] = d[i, levels]
    end
    @inbounds for k in levels-1:-1:1
        @simd ivdep for i in 1:WIDTH
            t[i, k] = muladd(c[i, k], t[i, k+1], d[i, k])
        end
    end
end

"Levels as `parts` levels on a line through their mean, by limited slopes (minmod)."
@inline function refine!(fine, t, a, j, count, nz, parts)
    @inbounds for k in 1:nz, part in 1:parts
        lower, upper = max(k - 1, 1), min(k + 1, nz)
        T = eltype(t)
        offset = (T(part - 1) + T(0.5)) / T(parts) - T(0.5)
        for i in 1:count
            here = t[a+i-1, j, k]
            below, above = here - t[a+i-1, j, lower], t[a+i-1, j, upper] - here
            least = min(abs(below), abs(above))
            slope = ifelse(below * above > 0, ifelse(below > 0, least, -least), zero(here))
            fine[i, (k-1)*parts+part] = muladd(offset, slope, here)
        end
    end
end

function steps_of(xs, ys, zs, scratch, t, out, flux, parts, steps, stable, unstable, cooling)
    a, j, nz, levels = first(xs), first(ys), length(zs), length(zs) * parts
    fine, c, d = view(scratch, :, :, 1), view(scratch, :, :, 2), view(scratch, :, :, 3)
    e, q = view(scratch, :, 1, 4), view(scratch, :, 2, 4)
    @inbounds begin
        for k in 1:levels, i in 1:WIDTH
            fine[i, k] = 0
            d[i, k] = 0
        end
        for i in 1:WIDTH
            e[i] = 0
            q[i] = i <= length(xs) ? cooling * flux[a+i-1, j] : zero(cooling)
        end
        refine!(fine, t, a, j, length(xs), nz, parts)
        for _ in 1:steps
            mix!(fine, c, d, e, q, levels, stable, unstable)
        end
        for k in 1:nz, i in 1:length(xs)
            sum = fine[i, (k-1)*parts+1]
            for part in 2:parts
                sum += fine[i, (k-1)*parts+part]
            end
            out[a+i-1, j, k] = sum / parts
        end
    end
end

solve(backend, box, t, out, flux, parts, args...) =
    each_block(steps_of, backend, box, (WIDTH, 1, box[2] - box[1]),
               (WIDTH, (box[2] - box[1]) * parts, 4), t, out, flux, parts, args...)

end
