// Posts every body of a manifest with net/http: go run post.go URL MANIFEST
package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
)

func main() {
	url := os.Args[1]
	manifest, err := os.ReadFile(os.Args[2])
	if err != nil {
		panic(err)
	}
	for _, line := range strings.Split(strings.TrimSpace(string(manifest)), "\n") {
		entry := strings.Split(line, "\t")
		body, err := os.ReadFile(entry[2])
		if err != nil {
			panic(err)
		}
		request, err := http.NewRequest("POST", url+entry[1], bytes.NewReader(body))
		if err != nil {
			panic(err)
		}
		for _, field := range entry[3:] {
			name, value, _ := strings.Cut(field, ": ")
			request.Header.Set(name, value)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			panic(err)
		}
		answer, err := io.ReadAll(response.Body)
		if err != nil {
			panic(err)
		}
		response.Body.Close()
		fmt.Printf("%s\t%d\t%s\n", entry[0], response.StatusCode, answer)
	}
}
