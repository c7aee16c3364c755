// Evaluates pods by the Pod Security Standards, with the code of the API server. Standard input is JSON: a list of pods,
// each with metadata and spec. Prints what each is refused for, one JSON string a line; an empty one for an accepted pod.
package main

import (
	"encoding/json"
	"log"
	"os"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

func main() {
	var pods []corev1.PodTemplateSpec
	decoder := json.NewDecoder(os.Stdin)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&pods); err != nil {
		log.Fatal(err)
	}
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks())
	if err != nil {
		log.Fatal(err)
	}
	restricted := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	encoder := json.NewEncoder(os.Stdout)
	for _, pod := range pods {
		result := policy.AggregateCheckResults(evaluator.EvaluatePod(restricted, &pod.ObjectMeta, &pod.Spec))
		if err := encoder.Encode(result.ForbiddenDetail()); err != nil {
			log.Fatal(err)
		}
	}
}
