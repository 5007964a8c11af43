// Answers for tests/unit/yaml_table.tsv from sigs.k8s.io/yaml itself.
//
// Each line of standard input begins with a YAML text as a JSON string; printed
// are that column again, what YAMLToJSON makes of it and what YAMLToJSONStrict
// does ("!" for an error). So the table is its own input.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"sigs.k8s.io/yaml"
)

func answer(convert func([]byte) ([]byte, error), text string) string {
	out, err := convert([]byte(text))
	if err != nil {
		return "!"
	}
	return string(out)
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		column, _, _ := strings.Cut(lines.Text(), "\t")
		var text string
		if err := json.Unmarshal([]byte(column), &text); err != nil {
			fmt.Fprintf(os.Stderr, "not a JSON string: %s\n", column)
			os.Exit(1)
		}
		fmt.Printf("%s\t%s\t%s\n", column, answer(yaml.YAMLToJSON, text), answer(yaml.YAMLToJSONStrict, text))
	}
}
