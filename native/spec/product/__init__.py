"""Operations between our client and our worker that no header declares; one module an area, each has ROWS.

Objects that only the server numbers (kernels) travel as that number; all others as the name the client minted.
"""
