# Arithmetic that says by itself what a compiler may do with it.
#
# Base.muladd is a product and a sum that LLVM may contract or not, as it finds them; Base.FastMath's
# root may become an estimate, in the vector body of a loop and not in its rest. Which cells lie in
# that rest depends on how the grid is cut, so both would let the answer depend on it.

for (T, suffix) in ((Float64, "f64"), (Float32, "f32"))
    fused, square_root = "llvm.fmuladd." * suffix, "llvm.sqrt." * suffix
    @eval begin
        @inline muladd(a::$T, b::$T, c::$T) =
            ccall($fused, llvmcall, $T, ($T, $T, $T), a, b, c)
        @inline root(a::$T) = ccall($square_root, llvmcall, $T, ($T,), a)
    end
end

"`a * b + c`, one instruction on every processor that has it."
@inline muladd(a::Real, b::Real, c::Real) = muladd(promote(a, b, c)...)

@doc "The square root, correctly rounded, not a number below zero: Base's throws, which stops a vectoriser."
root

"A polynomial by Horner's rule, its lowest coefficient first."
@inline horner(x, coefficients::Tuple{Any}) = coefficients[1]
@inline horner(x, coefficients::Tuple) =
    muladd(x, horner(x, Base.tail(coefficients)), coefficients[1])
