# Lanes: a few numbers that one vector instruction works on.
#
# LLVM's own vectors, so that arithmetic on lanes is vector arithmetic whatever surrounds it. Nothing
# is reassociated; products and sums are contracted where `muladd` says so.

"As many numbers of type T as a vector has lanes."
struct Lanes{W,T}
    values::NTuple{W,VecElement{T}}
end

llvm_name(::Type{Float64}) = "double"
llvm_name(::Type{Float32}) = "float"
suffix(::Type{Float64}) = "f64"
suffix(::Type{Float32}) = "f32"
vector(W, T) = "<$W x $(llvm_name(T))>"
# From LLVM 17 on, pointers have no element type.
pointer_to(name) = Base.libllvm_version >= v"17" ? "ptr" : "$name*"

@inline Lanes{W,T}(x::Real) where {W,T} = Lanes{W,T}(ntuple(_ -> VecElement(T(x)), Val(W)))

# ---- memory: `at` elements from an address -----------------------------------------------------

@generated function load(::Type{Lanes{W,T}}, p::Ptr{T}, at::Int) where {W,T}
    v = vector(W, T)
    code = """%p = inttoptr i64 %0 to $(pointer_to(v))
    %r = load $v, $(pointer_to(v)) %p, align $(sizeof(T))
    ret $v %r"""
    quote
        $(Expr(:meta, :inline))
        address = UInt64(p) + (at * sizeof(T)) % UInt64
        Lanes{W,T}(Base.llvmcall($code, NTuple{W,VecElement{T}}, Tuple{UInt64}, address))
    end
end

@generated function store!(p::Ptr{T}, at::Int, x::Lanes{W,T}) where {W,T}
    v = vector(W, T)
    code = """%p = inttoptr i64 %0 to $(pointer_to(v))
    store $v %1, $(pointer_to(v)) %p, align $(sizeof(T))
    ret void"""
    quote
        $(Expr(:meta, :inline))
        address = UInt64(p) + (at * sizeof(T)) % UInt64
        Base.llvmcall($code, Cvoid, Tuple{UInt64,NTuple{W,VecElement{T}}}, address, x.values)
        return nothing
    end
end

# ---- arithmetic --------------------------------------------------------------------------------

for (symbol, operation) in ((:+, "fadd"), (:-, "fsub"), (:*, "fmul"), (:/, "fdiv"))
    @eval begin
        @generated function Base.$symbol(a::Lanes{W,T}, b::Lanes{W,T}) where {W,T}
            v = vector(W, T)
            code = "%r = $($operation) nsz $v %0, %1\nret $v %r"
            quote
                $(Expr(:meta, :inline))
                V = NTuple{W,VecElement{T}}
                Lanes{W,T}(Base.llvmcall($code, V, Tuple{V,V}, a.values, b.values))
            end
        end
        @inline Base.$symbol(a::Real, b::Lanes{W,T}) where {W,T} = $symbol(Lanes{W,T}(a), b)
        @inline Base.$symbol(a::Lanes{W,T}, b::Real) where {W,T} = $symbol(a, Lanes{W,T}(b))
    end
end

@generated function Base.:-(a::Lanes{W,T}) where {W,T}
    v = vector(W, T)
    code = "%r = fneg $v %0\nret $v %r"
    quote
        $(Expr(:meta, :inline))
        V = NTuple{W,VecElement{T}}
        Lanes{W,T}(Base.llvmcall($code, V, Tuple{V}, a.values))
    end
end

@generated function muladd(a::Lanes{W,T}, b::Lanes{W,T}, c::Lanes{W,T}) where {W,T}
    v = vector(W, T)
    name = "@llvm.fmuladd.v$(W)$(suffix(T))"
    llvm = """declare $v $name($v, $v, $v)
    define $v @entry($v, $v, $v) alwaysinline {
        %r = call nsz $v $name($v %0, $v %1, $v %2)
        ret $v %r
    }"""
    quote
        $(Expr(:meta, :inline))
        V = NTuple{W,VecElement{T}}
        Lanes{W,T}(Base.llvmcall(($llvm, "entry"), V, Tuple{V,V,V}, a.values, b.values, c.values))
    end
end
@inline muladd(a::Real, b::Lanes{W,T}, c::Lanes{W,T}) where {W,T} =
    muladd(Lanes{W,T}(a), b, c)

for (symbol, intrinsic) in ((:root, "sqrt"), (:(Base.abs), "fabs"))
    @eval @generated function $symbol(a::Lanes{W,T}) where {W,T}
        v = vector(W, T)
        name = "@llvm.$($intrinsic).v$(W)$(suffix(T))"
        llvm = """declare $v $name($v)
        define $v @entry($v) alwaysinline {
            %r = call $v $name($v %0)
            ret $v %r
        }"""
        quote
            $(Expr(:meta, :inline))
            V = NTuple{W,VecElement{T}}
            Lanes{W,T}(Base.llvmcall(($llvm, "entry"), V, Tuple{V}, a.values))
        end
    end
end

"The larger of each pair of lanes; the second where one is not a number."
@generated function larger(a::Lanes{W,T}, b::Lanes{W,T}) where {W,T}
    v = vector(W, T)
    code = """%c = fcmp ogt $v %0, %1
    %r = select <$W x i1> %c, $v %0, $v %1
    ret $v %r"""
    quote
        $(Expr(:meta, :inline))
        V = NTuple{W,VecElement{T}}
        Lanes{W,T}(Base.llvmcall($code, V, Tuple{V,V}, a.values, b.values))
    end
end
