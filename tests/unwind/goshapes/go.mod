module goshapes

go 1.16
