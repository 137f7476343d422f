-- POST /predict: the tutorial's service, the tuned one, and ours.
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"sepal_width":3.5,"sepal_length":5.1,"petal_width":0.2,"petal_length":1.4}'
