def cool(box, t, factor):
    t[box[0] : box[1]] *= t.dtype.type(factor)
