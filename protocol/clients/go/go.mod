module cinch

go 1.24
