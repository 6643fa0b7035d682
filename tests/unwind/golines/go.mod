module golines

go 1.16
