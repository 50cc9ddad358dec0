// go run . PROJECT SECONDS ROWS
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"strconv"
	"time"

	"cinch"
)

func main() {
	seconds, err := strconv.ParseFloat(os.Args[2], 64)
	check(err)
	rows, err := strconv.ParseInt(os.Args[3], 10, 64)
	check(err)
	client, err := cinch.Connect(context.Background(), cinch.Options{Project: os.Args[1], NoStart: true})
	check(err)
	defer client.Close()
	readFor(client, 300*time.Millisecond, rows)
	reads, took := readFor(client, time.Duration(seconds*float64(time.Second)), rows)
	check(json.NewEncoder(os.Stdout).Encode(map[string]any{"reads": reads, "seconds": took.Seconds()}))
}

func readFor(client *cinch.Client, limit time.Duration, rows int64) (reads int64, took time.Duration) {
	startedAt := time.Now()
	for time.Since(startedAt) < limit {
		reads++
		id := reads*48_271%2_147_483_647%rows + 1
		found, err := client.Row.Get(context.Background(), cinch.RowGetParams{Table: "item", ID: id})
		check(err)
		if found.Row["id"] != id || found.Row["name"] != fmt.Sprintf("name of %d", id) {
			log.Fatalf("%d is not %v", id, found.Row)
		}
	}
	return reads, time.Since(startedAt)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
